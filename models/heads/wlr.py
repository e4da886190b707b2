"""Weighted logistic regression (WLR), in the two-copy form whose odds are the mean.

Shape legend: B rows, O outputs of a head.
"""

from typing import ClassVar, Literal

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from models.component import ComponentConfig
from models.heads.base import LabelState, TrainLabels
from models.heads.label_scale import label_scale
from models.heads.linear_loss import LinearLoss
from models.heads.links import POSITIVE, Links
from models.ranges import Seconds

LOGIT_BOUNDS = (-10.0, 5.0)
"""Where the logit is clamped at decode: odds from 4.5e-5 to 148 scales."""


class WlrConfig(ComponentConfig):
    """The unit of the labels."""

    kind: Literal["wlr"] = "wlr"
    scale_s: Seconds | None = 20.0
    """Seconds that labels are divided by; null takes the train rows' 90th percentile."""


class Wlr(LinearLoss):
    """Every row once as a positive of weight y and once as a negative of weight 1; exp(f) = E[y | x] at the optimum.

    Source: docs/methods/watch_time.md#weighted-logistic-regression, the two-copy form (as in the public code of DADF).
    It is neither the form of the D2Q paper, which weighs the positives of a threshold and is low below it, nor
    YouTube's, which needs clicks.
    """

    Config = WlrConfig
    monotone: ClassVar[bool] = True
    scale: Tensor

    @classmethod
    def fit_state(cls, config: WlrConfig, labels: TrainLabels) -> LabelState:
        """Fit `scale`, in seconds."""
        return {"scale": np.asarray(label_scale(config.scale_s, labels, quantile=0.9), dtype=np.float32)}

    def __init__(self, config: WlrConfig, state: LabelState) -> None:
        super().__init__(config, state)
        self.register_buffer("scale", torch.tensor(state["scale"]))

    @property
    def num_outputs(self) -> int:
        """One."""
        return 1

    @property
    def links(self) -> Links:
        """One: y, a weight; below 0 it would have no least loss."""
        return ((POSITIVE, 1),)

    def statistics(self, watch_B: Tensor, duration_B: Tensor) -> Tensor:
        """Return y in units of `scale`, [B, 1]."""
        return (watch_B / self.scale).unsqueeze(1)

    def expected_loss(self, out_BO: Tensor, statistics_BS: Tensor, duration_B: Tensor) -> Tensor:
        """Return -(y log s(f) + log(1 - s(f))) of every row, [B], y in units of `scale`."""
        f_B = out_BO[:, 0].float()
        return statistics_BS[:, 0] * functional.softplus(-f_B) + functional.softplus(f_B)

    def score(self, out_BO: Tensor, duration_B: Tensor) -> Tensor:
        """Return the mean in seconds before clipping, [B], so that no order is lost at the duration."""
        return torch.exp(out_BO[:, 0].float().clamp(*LOGIT_BOUNDS)) * self.scale

    def decode_mean(self, out_BO: Tensor, duration_B: Tensor) -> Tensor:
        """Return E[watch | x] in seconds, [B]."""
        return torch.minimum(self.score(out_BO, duration_B), self.longest(duration_B))
