"""Inverse propensity scoring: every observed row stands for the rows like it that were not.

Shape legend: B rows.
"""

from typing import ClassVar, Literal

from torch import Tensor

from models.component import ComponentConfig
from models.objectives.base import Objective, TaskRows
from models.objectives.weights import PropensityWeights
from models.propensity.base import PropensityOptions


class IpsConfig(ComponentConfig):
    """Nothing to set: clipping and self-normalisation are options of the propensity."""

    kind: Literal["ips"] = "ips"


class Ips(Objective):
    """mean over D of o e / p; unbiased for the risk over all rows when p is right.

    Source: Schnabel et al., ICML 2016; docs/methods/debias.md#inverse-propensity-scoring. Where D is the impressions
    themselves it gives the same up to the factor |D|/|O|. With self-normalisation the divisor is sum_O 1/p instead
    (SNIPS).
    """

    Config: ClassVar[type[ComponentConfig]] = IpsConfig
    weighs_by_propensity = True
    weighs_rows = True

    def __init__(self, config: ComponentConfig, options: PropensityOptions) -> None:
        super().__init__(config, options)
        self.weights = PropensityWeights(options)

    def forward(self, rows: TaskRows) -> Tensor:
        """Return the scalar loss."""
        return self.weights.estimate(rows, rows.loss_B)
