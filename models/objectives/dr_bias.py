"""Doubly robust with an imputation that minimises the estimate's bias."""

from typing import Literal

from torch import Tensor

from models.objectives.doubly_robust import JointConfig, JointDoublyRobust


class DrBiasConfig(JointConfig):
    """Weight of the imputation step."""

    kind: Literal["dr_bias"] = "dr_bias"


class DrBias(JointDoublyRobust):
    """L_DR, imputation sum_O (e - ê)^2 (1 - p)^2 / p^3.

    Source: Dai et al., KDD 2022, with the loss of docs/methods/debias.md#the-doubly-robust-loss;
    docs/methods/debias.md#dr-bias-and-dr-mse.
    """

    Config = DrBiasConfig

    def imputation_weight(self, inverse_B: Tensor) -> Tensor:
        """Return (1 - p)^2 / p^3, [B]."""
        return bias_weight(inverse_B)


def bias_weight(inverse_B: Tensor) -> Tensor:
    """Return (1 - p)^2 / p^3 from 1 / p, [B]; 0 where 1 / p is 0, on unobserved rows."""
    return inverse_B * (inverse_B - 1).clamp(min=0).square()
