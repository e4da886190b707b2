"""Watch-time gain (WTG): watch time standardised among videos of equal duration.

Shape legend: B rows, O outputs of a head, S seconds 0 .. the longest train duration.
"""

from typing import Any, ClassVar, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.component import ComponentConfig
from models.heads.base import LabelState, TrainLabels
from models.heads.duration_seconds import look_up, pooled_seconds, second_of
from models.heads.label_scale import MIN_SCALE_S
from models.heads.linear_loss import LatentRegression
from models.ranges import Rows


class WtgConfig(ComponentConfig):
    """How sparse durations are treated."""

    kind: Literal["wtg"] = "wtg"
    least_rows: Rows = 20
    """A duration second with fewer train rows is pooled with its neighbours."""


class Wtg(LatentRegression):
    """Squared error on (y - mean_d) / sd_d; the inverse is affine, so the mean is native.

    Source: Zheng et al., MM 2022 (arXiv 2208.05190); docs/methods/watch_time.md#watch-time-gain. The standard deviation
    has a floor of 1 s, for durations whose train rows were all watched alike.
    """

    Config = WtgConfig
    monotone: ClassVar[bool] = True
    mean: Tensor
    spread: Tensor

    @classmethod
    def fit_state(cls, config: WtgConfig, labels: TrainLabels) -> LabelState:
        """Fit `mean` and `spread`, float32 seconds [S]."""
        second = second_of(labels.duration_s)
        watch_ms = np.rint(labels.watch_s * 1000).astype(np.int64)
        rows_S = np.bincount(second)
        first_S, after_S = pooled_seconds(rows_S, config.least_rows)

        def pooled(value: NDArray[np.int64]) -> NDArray[Any]:
            # Python integers: the order of the rows does not matter, and no sum of squares overflows.
            sums = np.zeros(len(rows_S), dtype=object)
            np.add.at(sums, second, value.astype(object))
            upto = np.concatenate([[0], np.cumsum(sums)])
            windows: NDArray[Any] = upto[after_S] - upto[first_S]
            return windows

        count, total, squares = pooled(np.ones_like(watch_ms)), pooled(watch_ms), pooled(watch_ms**2)
        mean = np.array(total / count, dtype=np.float64)
        variance = np.array((count * squares - total**2) / count**2, dtype=np.float64)
        return {
            "mean": (mean / 1000).astype(np.float32),
            "spread": np.maximum(np.sqrt(variance) / 1000, MIN_SCALE_S).astype(np.float32),
        }

    def __init__(self, config: WtgConfig, state: LabelState) -> None:
        super().__init__(config, state)
        self.register_buffer("mean", torch.tensor(state["mean"]))
        self.register_buffer("spread", torch.tensor(state["spread"]))

    def latent_label(self, watch_B: Tensor, duration_B: Tensor) -> Tensor:
        """Return the gain, [B]."""
        return (watch_B - look_up(self.mean, duration_B)) / look_up(self.spread, duration_B)

    def score(self, out_BO: Tensor, duration_B: Tensor) -> Tensor:
        """Return the mean in seconds before clipping, [B]."""
        return look_up(self.mean, duration_B) + look_up(self.spread, duration_B) * out_BO[:, 0].float()

    def decode_mean(self, out_BO: Tensor, duration_B: Tensor) -> Tensor:
        """Return E[watch | x] in seconds, [B]."""
        return torch.minimum(self.score(out_BO, duration_B).clamp(min=0), self.longest(duration_B))
