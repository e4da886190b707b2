"""Error imputation: unobserved rows count with the error that a second network expects of them.

Shape legend: B rows.
"""

from typing import Literal

from torch import Tensor

from models.component import ComponentConfig
from models.objectives.base import Objective, TaskRows
from models.objectives.imputation import IMPUTATION, imputation_gap, imputed_error
from models.propensity.base import PropensityOptions
from models.ranges import Weight


class EibConfig(ComponentConfig):
    """Weight of the imputation step."""

    kind: Literal["eib"] = "eib"
    imputation: Weight = 1.0
    """Weight of the imputation tower's own loss."""


class Eib(Objective):
    """mean_D [o e + (1 - o) ê], with ê fitted to the observed errors: right where the imputation is.

    Source: docs/methods/debias.md#error-imputation. The imputation is fitted without weights, so it knows O only.
    """

    Config = EibConfig
    auxiliary_towers = (IMPUTATION,)
    needs_unobserved = True

    def __init__(self, config: EibConfig, options: PropensityOptions) -> None:
        super().__init__(config, options)
        self.imputation = config.imputation

    def forward(self, rows: TaskRows) -> Tensor:
        """Return the scalar loss."""
        learned = rows.observed_mean(imputation_gap(rows, rows.auxiliary["imputation"]))
        return self.risk(rows) + self.imputation * learned

    def risk(self, rows: TaskRows) -> Tensor:
        """Return the estimate of mean_D e, which trains the prediction."""
        imputed_B = imputed_error(rows, rows.auxiliary["imputation"])
        return rows.mean(rows.observed_B * rows.loss_B + (1 - rows.observed_B) * imputed_B)
