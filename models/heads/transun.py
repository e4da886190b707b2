"""TranSUN: transformed regression whose second output makes the mean unbiased again.

Shape legend: B rows, O = 2 outputs of a head.
"""

from typing import ClassVar, Literal

import torch
from torch import Tensor

from models.component import ComponentConfig
from models.heads.base import LabelState, TrainLabels
from models.heads.linear_loss import LinearLoss
from models.heads.links import ANY, SHARE, Links
from models.heads.transformed_regression import TrLog, TrLogConfig
from models.ranges import Seconds, Weight


class TransunConfig(ComponentConfig):
    """How the correction is learned and what ranks."""

    kind: Literal["transun"] = "transun"
    offset_s: Seconds = 1.0
    """eps, seconds added to the base prediction before it divides."""
    ratio_weight: Weight = 1.0
    """Weight of the correction's loss, whose gradient also reaches what the two outputs share; lower shields that."""
    rank_by: Literal["transform", "mean"] = "transform"
    """Score: the transformed prediction, or the mean as in the paper."""


class Transun(LinearLoss):
    """f regresses log(1 + y), z regresses y / (b + eps), b = T^-1(f) without gradient; mean = z (b + eps).

    Source: TranSUN, docs/methods/watch_time.md#transun: unbiased because b is a function of x. Two differences: b is
    clipped to [0, duration], still a function of x, and f is standardised as in `tr_log`. The ratio is heavy-tailed,
    and a joint fit ranks worse; blocking the correction's gradient from the embeddings would help. A head sees its
    tower's outputs only, so it cannot: z's loss does reach the tower and the trunk. What is left is `ratio_weight`, and
    to rank by the transform, which is the default.
    """

    Config = TransunConfig
    # True only for `rank_by` mean.
    monotone: ClassVar[bool] = False

    @classmethod
    def fit_state(cls, config: TransunConfig, labels: TrainLabels) -> LabelState:
        """Fit the state of `tr_log`."""
        return TrLog.fit_state(TrLogConfig(), labels)

    def __init__(self, config: TransunConfig, state: LabelState) -> None:
        super().__init__(config, state)
        self.transformed = TrLog(TrLogConfig(), state)

    @property
    def num_outputs(self) -> int:
        """Two: f and z."""
        return 2

    def divisor(self, out_BO: Tensor, duration_B: Tensor) -> Tensor:
        """Return b + eps in seconds, without gradient, [B]."""
        base_B = self.transformed.decode_median(out_BO.detach(), duration_B)
        return base_B + float(self.config.offset_s)

    @property
    def links(self) -> Links:
        """Two: T(y), and y as a share of `longest`."""
        return ((ANY, 1), (SHARE, 1))

    def statistics(self, watch_B: Tensor, duration_B: Tensor) -> Tensor:
        """Return T(y) and y / longest, [B, 2]."""
        transformed_B1 = self.transformed.statistics(watch_B, duration_B)
        return torch.cat([transformed_B1, (watch_B / self.longest(duration_B)).unsqueeze(1)], dim=1)

    def expected_loss(self, out_BO: Tensor, statistics_BS: Tensor, duration_B: Tensor) -> Tensor:
        """Return (f - T(y))^2 + (z - y / (b + eps))^2 of every row, [B]."""
        ratio_B = statistics_BS[:, 1] * self.longest(duration_B) / self.divisor(out_BO, duration_B)
        correction_B = (out_BO[:, 1].float() - ratio_B).square()
        transformed_B = self.transformed.expected_loss(out_BO, statistics_BS, duration_B)
        return transformed_B + float(self.config.ratio_weight) * correction_B

    def score(self, out_BO: Tensor, duration_B: Tensor) -> Tensor:
        """Return what `rank_by` names, [B], before clipping."""
        if self.config.rank_by == "transform":
            return self.transformed.score(out_BO, duration_B)
        return self._mean(out_BO, duration_B)

    def decode_mean(self, out_BO: Tensor, duration_B: Tensor) -> Tensor:
        """Return z (b + eps) in seconds, [B]."""
        return torch.minimum(self._mean(out_BO, duration_B).clamp(min=0), self.longest(duration_B))

    def decode_median(self, out_BO: Tensor, duration_B: Tensor) -> Tensor:
        """Return the back-transform of f in seconds, a value near the median, [B]."""
        return self.transformed.decode_median(out_BO, duration_B)

    def _mean(self, out_BO: Tensor, duration_B: Tensor) -> Tensor:
        return out_BO[:, 1].float() * self.divisor(out_BO, duration_B)
