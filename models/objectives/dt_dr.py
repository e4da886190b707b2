"""DT-DR: the doubly robust loss with disentangled exposure and preference."""

from typing import Literal

from torch import Tensor

from models.objectives.base import TaskRows
from models.objectives.disentangled import DISENTANGLED_EXPOSURE, DisentangledConfig, disentangling_loss
from models.objectives.doubly_robust import JointConfig
from models.objectives.imputation import IMPUTATION
from models.objectives.learned_dr import LearnedDoublyRobust


class DtDrConfig(DisentangledConfig, JointConfig):
    """Weights of the terms."""

    kind: Literal["dt_dr"] = "dt_dr"


class DtDr(LearnedDoublyRobust):
    """L_DR + imputation + alpha CE(p̂, o) + beta |A'B|^2.

    Source: ICDE 2024, with the loss of docs/methods/debias.md#the-doubly-robust-loss;
    docs/methods/debias.md#disentangled-exposure. L_DR passes no gradient to p̂; the imputation weighs as in DR-JL and
    reads what B reads. For `set_apart` see `DtIps`.
    """

    Config = DtDrConfig
    config: DtDrConfig
    auxiliary_towers = (IMPUTATION, DISENTANGLED_EXPOSURE)

    def forward(self, rows: TaskRows) -> Tensor:
        """Return the scalar loss."""
        return super().forward(rows) + disentangling_loss(rows, self.config)
