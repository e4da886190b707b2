"""ESCM2-IPS: the entire-space funnel, regularised by the risk it is after."""

from typing import Literal

from torch import Tensor

from models.objectives.base import TaskRows
from models.objectives.exposure import SHARED_EXPOSURE, exposure_probability
from models.objectives.funnel import FunnelConfig, funnel_loss
from models.objectives.learned_ips import LearnedIps


class Escm2IpsConfig(FunnelConfig):
    """Weights of the terms."""

    kind: Literal["escm2_ips"] = "escm2_ips"


class Escm2Ips(LearnedIps):
    """CE(p̂, o) + l_c L_IPS + l_g CE(p̂ r̂, o r).

    Source: Wang et al., SIGIR 2022; docs/methods/debias.md#escm2. L_IPS passes no gradient to p̂, which it would drive
    to 1.
    """

    Config = Escm2IpsConfig
    config: Escm2IpsConfig
    auxiliary_towers = (SHARED_EXPOSURE,)

    def forward(self, rows: TaskRows) -> Tensor:
        """Return the scalar loss.

        Raises:
            ValueError: if a term needs a native mean of watch time that the head does not have.
        """
        weighted = self.config.counterfactual * self.risk(rows)
        return weighted + funnel_loss(rows, self.config, exposure_probability(rows))
