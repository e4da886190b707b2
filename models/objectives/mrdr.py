"""More robust doubly robust: the imputation spends its accuracy where the estimate's variance comes from."""

from typing import Literal

from torch import Tensor

from models.objectives.doubly_robust import JointConfig, JointDoublyRobust


class MrdrConfig(JointConfig):
    """Weight of the imputation step."""

    kind: Literal["mrdr"] = "mrdr"


class Mrdr(JointDoublyRobust):
    """L_DR, imputation sum_O (e - ê)^2 (1 - p) / p^2, which estimates the variance of L_DR.

    Source: Guo et al., SIGIR 2021, with the loss of docs/methods/debias.md#the-doubly-robust-loss;
    docs/methods/debias.md#more-robust-doubly-robust. For watch time the gap is that of what the head's loss
    is linear in (`imputation.imputation_gap`), so that the variance is minimised on that scale.
    """

    Config = MrdrConfig

    def imputation_weight(self, inverse_B: Tensor) -> Tensor:
        """Return (1 - p) / p^2, [B]; 0 on random rows, which add no variance."""
        return variance_weight(inverse_B)


def variance_weight(inverse_B: Tensor) -> Tensor:
    """Return (1 - p) / p^2 from 1 / p, [B]."""
    return inverse_B * (inverse_B - 1).clamp(min=0)
