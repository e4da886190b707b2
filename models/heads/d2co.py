"""D2Co: watch time placed between what skipping and what watching look like at the video's duration.

Shape legend: B rows, O outputs of a head, S seconds 0 .. the longest train duration, Q quantiles of a second's labels.
"""

from typing import Any, ClassVar, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field, field_validator
from torch import Tensor
from torch.nn import functional

from models.component import ComponentConfig
from models.heads.base import Head, LabelState, TrainLabels
from models.heads.duration_seconds import look_up, pooled_seconds, second_of
from models.heads.linear_loss import LatentRegression, LinearLoss
from models.heads.links import SHARE, Links
from models.heads.two_gaussians import two_means
from models.ranges import Number, Whole

NUM_QUANTILES = 200
"""Points that stand for the labels of a second in its mixture."""

LEAST_SPREAD = 0.02
"""Floor of a component's standard deviation, as a share of the longest watch time of the second."""

LEAST_GAP_S = 0.5
"""Floor of the distance between the two means."""

_LEAST_FACTOR = 1e-37
"""Near the smallest float32, so that no logarithm is infinite."""


class D2coConfig(ComponentConfig):
    """How the mixtures of neighbouring durations are pooled and smoothed."""

    least_rows: Whole = Field(default=50, ge=2, le=10**9)
    """A duration second with fewer train rows is pooled with its neighbours."""
    smoothing: Whole = Field(default=3, ge=1, le=1001)
    """T: means are averaged over 2 T - 1 seconds, weighted by rows; 1 leaves them."""


class D2co(Head):
    """Two means per duration second, m- and m+, from a two-component Gaussian mixture.

    Source: arXiv 2308.08120; docs/methods/watch_time.md#d2co. Differs from public code, which fits the mixtures on all
    rows: train rows only. Our choices: 200 quantiles stand for the labels of a second, a component is at least 2 % of
    the longest of them wide, and m+ lies at least 0.5 s above m-. A subclass makes the label of them.
    """

    skipped: Tensor
    watched: Tensor

    @classmethod
    def fit_state(cls, config: Any, labels: TrainLabels) -> LabelState:
        """Fit `skipped` (m-) and `watched` (m+), float32 seconds [S]."""
        second = second_of(labels.duration_s)
        rows_S = np.bincount(second)
        first_S, after_S = pooled_seconds(rows_S, config.least_rows)
        starts = np.concatenate([[0], np.cumsum(rows_S)])
        # Neighbours without rows between them see the same ones.
        windows, window_S = np.unique(np.stack([starts[first_S], starts[after_S]]), axis=1, return_inverse=True)
        lower, higher = two_means(_quantiles(labels.watch_s[np.argsort(second)], windows), LEAST_SPREAD)
        lower_S, higher_S = lower[window_S], higher[window_S]
        lower_S = _smooth(lower_S, rows_S, config.smoothing)
        higher_S = np.maximum(_smooth(higher_S, rows_S, config.smoothing), lower_S + LEAST_GAP_S)
        return {"skipped": lower_S.astype(np.float32), "watched": higher_S.astype(np.float32)}

    def __init__(self, config: Any, state: LabelState) -> None:
        super().__init__(config, state)
        self.register_buffer("skipped", torch.tensor(state["skipped"]))
        self.register_buffer("watched", torch.tensor(state["watched"]))

    @property
    def num_outputs(self) -> int:
        """One."""
        return 1

    def means(self, duration_B: Tensor) -> tuple[Tensor, Tensor]:
        """Return m- and m+ of every row, seconds, [B] each."""
        return look_up(self.skipped, duration_B), look_up(self.watched, duration_B)


class D2coAConfig(D2coConfig):
    """D2Co with the affine label."""

    kind: Literal["d2co_a"] = "d2co_a"


class D2coA(D2co, LatentRegression):
    """A label: r = (w - m-) / (m+ - m-) under the squared error; affine, so the mean is native."""

    Config = D2coAConfig
    monotone: ClassVar[bool] = True

    def latent_label(self, watch_B: Tensor, duration_B: Tensor) -> Tensor:
        """Return r, [B]: 0 at m-, 1 at m+, not clipped."""
        skipped_B, watched_B = self.means(duration_B)
        return (watch_B - skipped_B) / (watched_B - skipped_B)

    def score(self, out_BO: Tensor, duration_B: Tensor) -> Tensor:
        """Return the mean in seconds before clipping, [B]."""
        skipped_B, watched_B = self.means(duration_B)
        return skipped_B + out_BO[:, 0].float() * (watched_B - skipped_B)

    def decode_mean(self, out_BO: Tensor, duration_B: Tensor) -> Tensor:
        """Return E[watch | x] in seconds, [B]."""
        return torch.minimum(self.score(out_BO, duration_B).clamp(min=0), self.longest(duration_B))


class D2coSConfig(D2coConfig):
    """D2Co with the sensitivity-controlled label."""

    kind: Literal["d2co_s"] = "d2co_s"
    sensitivity: Number = Field(default=0.3, ge=-100, le=100)
    """a per second: above 0 the label tells long views apart, below 0 short ones; not 0, where it is the A label."""

    @field_validator("sensitivity")
    @classmethod
    def _not_zero(cls, value: float) -> float:
        if value == 0:
            raise ValueError("d2co_s: sensitivity must not be 0: the label would be the affine one, of kind d2co_a")
        return value


class D2coS(D2co, LinearLoss):
    """S label: r = clip((e^(a w) - e^(a m-)) / (e^(a m+) - e^(a m-)), 0, 1) under the cross-entropy.

    The inverse of E[r | x] is near the median at best, and never outside [m-, m+]; the mean comes from the calibrator.
    All exponents are taken relative to the larger end, so that 400 s overflow nothing.
    """

    Config = D2coSConfig
    # There is no native mean whose order the score could share.
    monotone: ClassVar[bool] = False

    def label(self, watch_B: Tensor, duration_B: Tensor) -> Tensor:
        """Return r in [0, 1], [B]."""
        a = self.config.sensitivity
        skipped_B, watched_B = self.means(duration_B)
        above_B = (watch_B - skipped_B).clamp(min=0)
        gap_B = watched_B - skipped_B
        above_B = torch.minimum(above_B, gap_B)
        share_B = torch.expm1(-abs(a) * above_B) / torch.expm1(-abs(a) * gap_B)
        return share_B * torch.exp(a * (above_B - gap_B)) if a > 0 else share_B

    def inverse(self, r_B: Tensor, duration_B: Tensor) -> Tensor:
        """Return log(r (e^(a m+) - e^(a m-)) + e^(a m-)) / a in seconds, [B]."""
        a = self.config.sensitivity
        skipped_B, watched_B = self.means(duration_B)
        exponent_B = -abs(a) * (watched_B - skipped_B)
        end_B, share_B = (watched_B, r_B) if a > 0 else (skipped_B, 1 - r_B)
        least_B = torch.exp(exponent_B).clamp(min=_LEAST_FACTOR)
        seconds_B: Tensor = end_B + torch.log(least_B - share_B * torch.expm1(exponent_B)) / a
        return seconds_B

    @property
    def links(self) -> Links:
        """One: r."""
        return ((SHARE, 1),)

    def statistics(self, watch_B: Tensor, duration_B: Tensor) -> Tensor:
        """Return r, [B, 1]."""
        return self.label(watch_B, duration_B).unsqueeze(1)

    def expected_loss(self, out_BO: Tensor, statistics_BS: Tensor, duration_B: Tensor) -> Tensor:
        """Return the cross-entropy between r and s(f) of every row, [B]."""
        return functional.binary_cross_entropy_with_logits(out_BO[:, 0].float(), statistics_BS[:, 0], reduction="none")

    def score(self, out_BO: Tensor, duration_B: Tensor) -> Tensor:
        """Return the logit of r, [B].

        Not its inverse in seconds: for any r but the smallest that is close to m+, so it orders rows by their duration
        (XAUC .56 against .63 on the validation day of protocol R0).
        """
        return out_BO[:, 0].float()

    def decode_median(self, out_BO: Tensor, duration_B: Tensor) -> Tensor:
        """Return the inverse of s(f) in seconds, a value near the median at best, [B]."""
        seconds_B = self.inverse(torch.sigmoid(out_BO[:, 0].float()), duration_B)
        return torch.minimum(seconds_B.clamp(min=0), self.longest(duration_B))


def _quantiles(watch_s: NDArray[np.float64], windows: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return quantiles of the labels of every window [start, stop) of rows, [windows, Q]."""
    levels = (np.arange(NUM_QUANTILES) + 0.5) / NUM_QUANTILES
    return np.stack([np.quantile(watch_s[start:stop], levels, method="hazen") for start, stop in windows.T])


def _smooth(mean_S: NDArray[np.float64], rows_S: NDArray[np.int64], smoothing: int) -> NDArray[np.float64]:
    """Return the centred moving average over 2 T - 1 seconds, weighted by rows; by seconds where there are none."""
    window = np.ones(2 * smoothing - 1)
    weight_S = rows_S + 1e-9
    padding = smoothing - 1
    total_S = np.convolve(np.pad(mean_S * weight_S, padding), window, mode="valid")
    smooth: NDArray[np.float64] = total_S / np.convolve(np.pad(weight_S, padding), window, mode="valid")
    return smooth
