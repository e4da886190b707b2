"""Value regression (VR): predict the seconds themselves.

Shape legend: B rows, O outputs of a head.
"""

from abc import abstractmethod
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from models.component import ComponentConfig
from models.heads.base import Head, LabelState, TrainLabels
from models.heads.label_scale import label_scale
from models.heads.links import POSITIVE, Links
from models.ranges import Seconds


class ValueRegressionConfig(ComponentConfig):
    """What the regressions share: the unit of their loss."""

    scale_s: Seconds | None = 20.0
    """Seconds that labels are divided by; null takes the train rows' 99th percentile."""


class ValueRegression(Head):
    """Predicts softplus(f) * c seconds for labels y / c (docs/methods/watch_time.md#value-regression).

    A subclass gives the loss of one row; its choice decides which functional of watch | x is estimated.
    """

    monotone: ClassVar[bool] = True
    scale: Tensor

    @classmethod
    def fit_state(cls, config: Any, labels: TrainLabels) -> LabelState:
        """Fit `scale`, in seconds."""
        return {"scale": np.asarray(label_scale(config.scale_s, labels, quantile=0.99), dtype=np.float32)}

    def __init__(self, config: Any, state: LabelState) -> None:
        super().__init__(config, state)
        self.register_buffer("scale", torch.tensor(state["scale"]))

    @property
    def num_outputs(self) -> int:
        """One."""
        return 1

    @abstractmethod
    def row_loss(self, predicted_B: Tensor, target_B: Tensor) -> Tensor:
        """Return the loss of every row, [B], both arguments in units of `scale`."""

    def loss(self, out_BO: Tensor, watch_B: Tensor, duration_B: Tensor) -> Tensor:
        """Return the unit-free loss of every row, [B]."""
        return self.row_loss(functional.softplus(out_BO[:, 0].float()), watch_B / self.scale)

    def score(self, out_BO: Tensor, duration_B: Tensor) -> Tensor:
        """Return the predicted seconds before clipping, [B], so that no order is lost at the duration."""
        return functional.softplus(out_BO[:, 0].float()) * self.scale

    def _clipped(self, out_BO: Tensor, duration_B: Tensor) -> Tensor:
        return torch.minimum(self.score(out_BO, duration_B), self.longest(duration_B))


class VrMseConfig(ValueRegressionConfig):
    """Value regression under the squared error."""

    kind: Literal["vr_mse"] = "vr_mse"


class VrMse(ValueRegression):
    """Squared error: estimates the mean."""

    Config = VrMseConfig

    def row_loss(self, predicted_B: Tensor, target_B: Tensor) -> Tensor:
        """Return (predicted - target)^2, [B]."""
        return (predicted_B - target_B).square()

    @property
    def links(self) -> Links:
        """One: the watch time."""
        return ((POSITIVE, 1),)

    def statistics(self, watch_B: Tensor, duration_B: Tensor) -> Tensor:
        """Return the watch time in units of `scale`, [B, 1]."""
        return (watch_B / self.scale).unsqueeze(1)

    def expected_loss(self, out_BO: Tensor, statistics_BS: Tensor, duration_B: Tensor) -> Tensor:
        """Return the squared error against the mean, [B]."""
        return self.row_loss(functional.softplus(out_BO[:, 0].float()), statistics_BS[:, 0])

    def decode_mean(self, out_BO: Tensor, duration_B: Tensor) -> Tensor:
        """Return E[watch | x] in seconds, [B]."""
        return self._clipped(out_BO, duration_B)


class VrL1Config(ValueRegressionConfig):
    """Value regression under the absolute error."""

    kind: Literal["vr_l1"] = "vr_l1"


class VrL1(ValueRegression):
    """Absolute error: estimates the median. Never use it where E[y | x] is needed (IPS and DR nuisance models)."""

    Config = VrL1Config
    # There is no native mean whose order the score could share.
    monotone = False

    def row_loss(self, predicted_B: Tensor, target_B: Tensor) -> Tensor:
        """Return |predicted - target|, [B]."""
        return (predicted_B - target_B).abs()

    def decode_median(self, out_BO: Tensor, duration_B: Tensor) -> Tensor:
        """Return the median of watch given x in seconds, [B]."""
        return self._clipped(out_BO, duration_B)
