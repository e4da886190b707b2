"""ESCM2-DR: the entire-space funnel, regularised by the doubly robust risk."""

from typing import Literal

from torch import Tensor

from models.objectives.base import AuxiliaryTower, TaskRows
from models.objectives.doubly_robust import JointConfig
from models.objectives.exposure import SHARED_EXPOSURE
from models.objectives.funnel import FunnelConfig, funnel_loss
from models.objectives.learned_dr import LearnedDoublyRobust


class Escm2DrConfig(FunnelConfig, JointConfig):
    """Weights of the terms."""

    kind: Literal["escm2_dr"] = "escm2_dr"


class Escm2Dr(LearnedDoublyRobust):
    """CE(p̂, o) + l_c (L_DR + imputation) + l_g CE(p̂ r̂, o r), all towers on the tasks' encoder.

    Source: Wang et al., SIGIR 2022, with the loss of docs/methods/debias.md#the-doubly-robust-loss;
    docs/methods/debias.md#escm2. L_DR passes no gradient to p̂, which it would drive to 1; the imputation weighs as in
    DR-JL.
    """

    Config = Escm2DrConfig
    config: Escm2DrConfig
    auxiliary_towers = (AuxiliaryTower("imputation", reads="shared", gives="statistics"), SHARED_EXPOSURE)

    def forward(self, rows: TaskRows) -> Tensor:
        """Return the scalar loss.

        Raises:
            ValueError: if a term needs a native mean of watch time that the head does not have.
        """
        weighted = self.config.counterfactual * super().forward(rows)
        return weighted + funnel_loss(rows, self.config, self.propensity(rows))
