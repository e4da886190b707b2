"""DT-IPS: inverse propensity scoring with disentangled exposure and preference."""

from typing import Literal

from torch import Tensor

from models.objectives.base import TaskRows
from models.objectives.disentangled import DISENTANGLED_EXPOSURE, DisentangledConfig, disentangling_loss
from models.objectives.learned_ips import LearnedIps


class DtIpsConfig(DisentangledConfig):
    """Weights of the terms."""

    kind: Literal["dt_ips"] = "dt_ips"


class DtIps(LearnedIps):
    """L_IPS + alpha CE(p̂, o) + beta |A'B|^2.

    Source: ICDE 2024; docs/methods/debias.md#disentangled-exposure. L_IPS passes no gradient to p̂. Fields that move
    exposure but not preference belong into the recipe's `set_apart`: then only B reads them.
    """

    Config = DtIpsConfig
    config: DtIpsConfig
    auxiliary_towers = (DISENTANGLED_EXPOSURE,)

    def forward(self, rows: TaskRows) -> Tensor:
        """Return the scalar loss."""
        return self.risk(rows) + disentangling_loss(rows, self.config)
