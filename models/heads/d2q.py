"""Duration-deconfounded quantiles (D2Q): predict how far up its duration group a watch time stands.

Shape legend: B rows, O outputs of a head, G duration groups, V distinct (group, watch) pairs of train,
Q quantile points of a group.
"""

from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.component import ComponentConfig
from models.duration_groups import duration_cuts
from models.heads.base import LabelState, TrainLabels
from models.heads.linear_loss import PercentileRegression
from models.ranges import Groups

NUM_QUANTILE_POINTS = 101


class D2qConfig(ComponentConfig):
    """Number of duration groups."""

    kind: Literal["d2q"] = "d2q"
    groups: Groups = 10
    """Equal-frequency duration groups: 10 suits 10^5 rows, 30-60 full logs."""


class D2q(PercentileRegression):
    """Regresses s(f) on the mid-rank ECDF U_k(y) of the row's duration group k and decodes by the group's quantiles.

    Source: Zhan et al., KDD 2022 (arXiv 2206.06003); docs/methods/watch_time.md#d2q. Differs from public code: ties get
    one mid-rank value (dense ranks ignore multiplicities) and the ECDF sees train rows only. Labels are compared in
    whole milliseconds, the resolution of the logs. The decode is a value near the median, not the median: the squared
    error estimates E[U | x]. The mean comes from the calibrator.
    """

    Config = D2qConfig
    cuts: Tensor
    keys: Tensor
    cumulative: Tensor
    starts: Tensor
    quantiles: Tensor
    span_ms: Tensor

    @classmethod
    def fit_state(cls, config: D2qConfig, labels: TrainLabels) -> LabelState:
        """Fit duration groups, ECDFs and quantiles.

        Returns:
            cuts: float64 [G - 1], seconds.
            span_ms: int64 (), width of a group in key space, more than the longest train watch time.
            keys: int64 [V], ascending group * span_ms + watch in ms.
            cumulative: int64 [V + 1], train rows with a smaller key.
            starts: int64 [G + 1], train rows in earlier groups.
            quantiles: float32 [G, Q], seconds, at levels 0, .01 .. 1.
        """
        # Batches carry float32 seconds: the state must see the durations that they will be compared with.
        duration_s = labels.duration_s.astype(np.float32).astype(np.float64)
        cuts = duration_cuts(duration_s, config.groups)
        group = np.searchsorted(cuts, duration_s)
        watch_ms = np.rint(labels.watch_s * 1000).astype(np.int64)
        span_ms = int(watch_ms.max()) + 2
        keys, counts = np.unique(group * span_ms + watch_ms, return_counts=True)
        return {
            "cuts": cuts,
            "span_ms": np.asarray(span_ms, dtype=np.int64),
            "keys": keys,
            "cumulative": np.concatenate([[0], np.cumsum(counts)]),
            "starts": np.searchsorted(np.sort(group), np.arange(len(cuts) + 2)),
            "quantiles": _group_quantiles(watch_ms, group, len(cuts) + 1),
        }

    def __init__(self, config: D2qConfig, state: LabelState) -> None:
        super().__init__(config, state)
        for name in ("cuts", "span_ms", "keys", "cumulative", "starts", "quantiles"):
            self.register_buffer(name, torch.tensor(state[name]))

    def group(self, duration_B: Tensor) -> Tensor:
        """Return the duration group of every row, int64 [B]; an unseen duration falls in the nearest one."""
        return torch.bucketize(duration_B.double(), self.cuts)

    def target(self, watch_B: Tensor, duration_B: Tensor) -> Tensor:
        """Return U_k(y) = (share below y + share at or below y) / 2 among the train rows of the group, float32 [B]."""
        group_B = self.group(duration_B)
        watch_ms_B = torch.round(watch_B.double() * 1000).long()
        # Longer than every train row: the key in between must stay inside the group.
        key_B = group_B * self.span_ms + torch.minimum(watch_ms_B, self.span_ms - 1)
        start_B = self.starts[group_B]
        below_B = self.cumulative[torch.searchsorted(self.keys, key_B)] - start_B
        upto_B = self.cumulative[torch.searchsorted(self.keys, key_B, right=True)] - start_B
        return ((below_B + upto_B) / (2 * (self.starts[group_B + 1] - start_B))).float()

    def inverse(self, u_B: Tensor, duration_B: Tensor) -> Tensor:
        """Return icdf_k(u) in seconds, [B]: linear between the quantile points of the group."""
        group_B = self.group(duration_B)
        position_B = u_B * (NUM_QUANTILE_POINTS - 1)
        lower_B = position_B.long().clamp(0, NUM_QUANTILE_POINTS - 2)
        lower_s_B = self.quantiles[group_B, lower_B]
        upper_s_B = self.quantiles[group_B, lower_B + 1]
        return torch.lerp(lower_s_B, upper_s_B, position_B - lower_B)

    def score(self, out_BO: Tensor, duration_B: Tensor) -> Tensor:
        """Return icdf_k(s(f)) in seconds, [B]."""
        return self.inverse(torch.sigmoid(out_BO[:, 0].float()), duration_B)

    def decode_median(self, out_BO: Tensor, duration_B: Tensor) -> Tensor:
        """Return a value near the median in seconds, [B]."""
        return torch.minimum(self.score(out_BO, duration_B), self.longest(duration_B))


def _group_quantiles(watch_ms: NDArray[np.int64], group: NDArray[np.int64], num_groups: int) -> NDArray[np.float32]:
    """Return the quantiles of every group, float32 seconds [G, Q].

    Hazen's positions (i + 1/2) / n are the mid-ranks of untied labels, so this is the inverse of `D2q.target`.
    """
    levels = np.linspace(0, 1, NUM_QUANTILE_POINTS)
    rows = [np.quantile(watch_ms[group == g], levels, method="hazen") for g in range(num_groups)]
    return (np.stack(rows) / 1000).astype(np.float32)
