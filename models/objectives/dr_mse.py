"""Doubly robust with an imputation that trades the estimate's bias against its variance."""

from typing import Literal

from torch import Tensor

from models.objectives.doubly_robust import JointConfig, JointDoublyRobust
from models.objectives.dr_bias import bias_weight
from models.objectives.mrdr import variance_weight
from models.propensity.base import PropensityOptions
from models.ranges import Share


class DrMseConfig(JointConfig):
    """The trade-off."""

    kind: Literal["dr_mse"] = "dr_mse"
    bias_share: Share = 0.5
    """g: 1 is DR-BIAS, 0 is MRDR."""


class DrMse(JointDoublyRobust):
    """L_DR, imputation weights g (1 - p)^2 / p^3 + (1 - g) (1 - p) / p^2.

    Source: Dai et al., KDD 2022, with the loss of docs/methods/debias.md#the-doubly-robust-loss;
    docs/methods/debias.md#dr-bias-and-dr-mse.
    """

    Config = DrMseConfig

    def __init__(self, config: DrMseConfig, options: PropensityOptions) -> None:
        super().__init__(config, options)
        self.bias_share = config.bias_share

    def imputation_weight(self, inverse_B: Tensor) -> Tensor:
        """Return the mixed weight, [B]."""
        return self.bias_share * bias_weight(inverse_B) + (1 - self.bias_share) * variance_weight(inverse_B)
