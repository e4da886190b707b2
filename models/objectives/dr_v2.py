"""DR-V2: the doubly robust loss under a propensity that balances what the prediction reads."""

from typing import Literal

from torch import Tensor

from models.objectives.balancing import BalancingConfig, balancing_loss
from models.objectives.base import TaskRows
from models.objectives.doubly_robust import JointConfig
from models.objectives.exposure import OWN_EXPOSURE
from models.objectives.imputation import IMPUTATION
from models.objectives.learned_dr import LearnedDoublyRobust


class DrV2Config(BalancingConfig, JointConfig):
    """Weights of the terms."""

    kind: Literal["dr_v2"] = "dr_v2"


class DrV2(LearnedDoublyRobust):
    """CE(p̂, o) + alpha CE(p̂ r̂, o r) + beta (L_DR + imputation) + gamma BMSE.

    Source: Li et al., ICML 2023, with the loss of docs/methods/debias.md#the-doubly-robust-loss;
    docs/methods/debias.md#ips-v2-and-dr-v2. L_DR passes no gradient to p̂, BMSE none to phi; the imputation weighs as
    in DR-JL.
    """

    Config = DrV2Config
    config: DrV2Config
    auxiliary_towers = (IMPUTATION, OWN_EXPOSURE)

    def forward(self, rows: TaskRows) -> Tensor:
        """Return the scalar loss.

        Raises:
            ValueError: if a term needs a native mean of watch time that the head does not have.
        """
        return self.config.counterfactual * super().forward(rows) + balancing_loss(rows, self.config, self.weights)
