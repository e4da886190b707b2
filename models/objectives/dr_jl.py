"""Doubly robust joint learning: the imputation tower learns beside the prediction."""

from typing import Literal

from models.objectives.doubly_robust import JointConfig, JointDoublyRobust


class DrJlConfig(JointConfig):
    """Weight of the imputation step."""

    kind: Literal["dr_jl"] = "dr_jl"


class DrJl(JointDoublyRobust):
    """L_DR, imputation sum_O (e - ê)^2 / p: the imputed errors are right on average over D, not over O.

    Source: Wang et al., ICML 2019, with the loss of docs/methods/debias.md#the-doubly-robust-loss;
    docs/methods/debias.md#doubly-robust-with-joint-learning.
    """

    Config = DrJlConfig
