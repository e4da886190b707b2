"""The objective of a log that is taken at its word.

Shape legend: B rows.
"""

from typing import Literal

from torch import Tensor

from models.component import ComponentConfig
from models.objectives.base import Objective, TaskRows


class NaiveConfig(ComponentConfig):
    """Nothing to set."""

    kind: Literal["naive"] = "naive"


class Naive(Objective):
    """mean_O e: the mean loss of the observed rows, whoever exposed them; 0 for a batch without any."""

    Config = NaiveConfig
    divisible = True
    weighs_rows = True

    def forward(self, rows: TaskRows) -> Tensor:
        """Return the scalar loss."""
        return rows.observed_mean(rows.loss_B)
