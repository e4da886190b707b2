"""IPS-V2: inverse propensity scoring under a propensity that balances what the prediction reads."""

from typing import Literal

from torch import Tensor

from models.objectives.balancing import BalancingConfig, balancing_loss
from models.objectives.base import TaskRows
from models.objectives.exposure import OWN_EXPOSURE
from models.objectives.learned_ips import LearnedIps


class IpsV2Config(BalancingConfig):
    """Weights of the terms."""

    kind: Literal["ips_v2"] = "ips_v2"


class IpsV2(LearnedIps):
    """CE(p̂, o) + alpha CE(p̂ r̂, o r) + beta L_IPS + gamma BMSE.

    Source: Li et al., ICML 2023; docs/methods/debias.md#ips-v2-and-dr-v2. L_IPS passes no gradient to p̂, BMSE none to
    phi.
    """

    Config = IpsV2Config
    config: IpsV2Config
    auxiliary_towers = (OWN_EXPOSURE,)

    def forward(self, rows: TaskRows) -> Tensor:
        """Return the scalar loss.

        Raises:
            ValueError: if a term needs a native mean of watch time that the head does not have.
        """
        return self.config.counterfactual * self.risk(rows) + balancing_loss(rows, self.config, self.weights)
