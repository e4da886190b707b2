"""Relative advantage debiasing (RAD): predict how far up its cohort a watch time stands.

Shape legend: B rows, O outputs of a head, Q quantile points, C cohorts with a quantile function of their own,
K keys of a view (levels of its field, times the duration tiers of a user), V distributions.
"""

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.component import ComponentConfig
from models.duration_groups import duration_cuts
from models.heads.base import LONGEST, LabelState, TrainLabels
from models.heads.linear_loss import PercentileRegression
from models.ranges import Copies, Groups, Rows, Weight

NUM_QUANTILE_POINTS = 101
_BISECTIONS = 16
_TINY = 1e-6
_FIELDS = {"video": "video_id", "user": "user_id"}
_VIEWS: Mapping[str, tuple[str, ...]] = {"video": ("video",), "user": ("user",), "both": ("video", "user")}


class RadConfig(ComponentConfig):
    """What watch times are compared with, and when a cohort is too small to say."""

    kind: Literal["rad"] = "rad"
    by: Literal["video", "user", "both"] = "video"
    """the same video's other plays (RAD-V), the same user's plays of like length (RAD-U), or both (RAD-UV)"""
    groups: Groups = 10
    """equal-frequency duration groups; where a cohort is small, the row's group speaks for it"""
    tiers: Copies = 4
    """equal-frequency duration tiers that a user's plays are told apart by"""
    least_rows: Rows = 20
    """a cohort with fewer train rows is left to the duration group"""
    shrinkage: Weight = 20.0
    """rows that the duration group counts for beside a cohort's own, and the precision of a row without a cohort"""

    @property
    def fields(self) -> tuple[str, ...]:
        """Categorical fields whose levels make the cohorts."""
        return tuple(_FIELDS[view] for view in _VIEWS[self.by])


@dataclass(frozen=True, eq=False)
class _Cohorts:
    """The distributions that a row's watch time is held against in one view.

    Attributes:
        own_BQ: quantiles of its cohort; they count for nothing where it has none.
        group_BQ: quantiles of its duration group.
        own_B: weight of the former, 0 where the row has no cohort.
        precision_B: rows behind both.
    """

    own_BQ: Tensor
    group_BQ: Tensor
    own_B: Tensor
    precision_B: Tensor

    def percentile(self, watch_B: Tensor) -> Tensor:
        """Return the middle of the levels at which the shrunken distribution takes a value, [B]."""
        return torch.lerp(_level(self.group_BQ, watch_B), _level(self.own_BQ, watch_B), self.own_B)


class Rad(PercentileRegression):
    """Squared error of s(f) against the percentile of the row's watch time in its cohort; decodes by its inverse.

    RAD-UV takes the probits of both percentiles, averages them by precision and goes back through Phi. Our reading of a
    secondary source of arXiv 2508.11086 (docs/methods/watch_time.md#relative-advantage). Ours are: percentiles shrunken
    towards those in the duration group, where the publication learns quantile functions from embeddings and backs off
    to clusters of cohorts; precision taken as rows plus the shrinkage. A value that many plays share (0, the duration)
    has the percentile of their middle. The decode is a value near the median, as D2Q's. The mean comes from the
    calibrator.
    """

    Config = RadConfig
    group_cuts: Tensor
    group_quantiles: Tensor
    tier_cuts: Tensor

    @classmethod
    def fit_state(cls, config: RadConfig, labels: TrainLabels) -> LabelState:
        """Fit the quantiles. Rows without a level (`TrainLabels.levels` lacks the field) are of no cohort.

        Returns:
            group_cuts: float32 [groups - 1], seconds.
            group_quantiles: float32 [groups, Q], seconds, at levels 0, .01 .. 1.
            tier_cuts: float32 [tiers - 1], seconds.
            <view>_cohort: int64 [K], cohort of a key, 0: none.
            <view>_quantiles: float32 [C + 1, Q], seconds; row 0 is of no cohort.
            <view>_rows: float32 [C + 1], train rows of a cohort.
        """
        duration_s = labels.duration_s.astype(np.float32).astype(np.float64)
        cuts, tiers = (duration_cuts(duration_s, number) for number in (config.groups, config.tiers))
        group, tier = np.searchsorted(cuts, duration_s), np.searchsorted(tiers, duration_s)
        state: LabelState = {
            "group_cuts": cuts.astype(np.float32),
            "group_quantiles": _quantiles(labels.watch_s, group, len(cuts) + 1),
            "tier_cuts": tiers.astype(np.float32),
        }
        for view in _VIEWS[config.by]:
            level = labels.levels.get(_FIELDS[view], np.zeros(len(group), dtype=np.int64))
            key = level * config.tiers + tier if view == "user" else level
            rows = np.bincount(key[level > 0])
            large = np.flatnonzero(rows >= config.least_rows)
            cohort = np.zeros(max(len(rows), 1), dtype=np.int64)
            cohort[large] = 1 + np.arange(len(large))
            of_row = np.where(level > 0, cohort[np.where(level > 0, key, 0)], 0)
            kept = of_row > 0
            state[f"{view}_cohort"] = cohort
            state[f"{view}_quantiles"] = _quantiles(labels.watch_s[kept], of_row[kept], len(large) + 1)
            state[f"{view}_rows"] = np.bincount(of_row[kept], minlength=len(large) + 1).astype(np.float32)
        return state

    def __init__(self, config: RadConfig, state: LabelState) -> None:
        super().__init__(config, state)
        for name, value in state.items():
            if name != LONGEST:
                self.register_buffer(name, torch.tensor(value))
        self._levels: Mapping[str, Tensor] = {}

    def of(self, level_of: Callable[[str], Tensor]) -> Self:
        """Return the head for the rows whose levels of a field `level_of` gives; the head itself knows no cohort."""
        bound = copy.copy(self)
        bound._levels = {field: level_of(field) for field in self.config.fields}
        return bound

    def target(self, watch_B: Tensor, duration_B: Tensor) -> Tensor:
        """Return the percentile of every row's watch time in its cohort, [B]."""
        return _percentile(self._views(duration_B), watch_B.float())

    def score(self, out_BO: Tensor, duration_B: Tensor) -> Tensor:
        """Return the seconds that stand as far up as predicted, before clipping, and a trace of the prediction itself.

        Predictions within the levels of one value decode alike; the trace, a hundredth of a second at most, orders them, [B].
        """
        level_B = torch.sigmoid(out_BO[:, 0].float())
        return self._seconds(level_B, duration_B) + level_B / 100

    def decode_median(self, out_BO: Tensor, duration_B: Tensor) -> Tensor:
        """Return a value near the median in seconds, [B]."""
        return torch.minimum(self._seconds(torch.sigmoid(out_BO[:, 0].float()), duration_B), self.longest(duration_B))

    def _seconds(self, level_B: Tensor, duration_B: Tensor) -> Tensor:
        """Return the watch time at a level, [B], by bisection: to a sixty-thousandth of the cohort's longest."""
        views = self._views(duration_B)
        ends_BV = torch.stack([views[0].group_BQ[:, -1], *(view.own_BQ[:, -1] for view in views)], dim=1)
        high_B = ends_BV.amax(dim=1)
        low_B = torch.zeros_like(high_B)
        for _ in range(_BISECTIONS):
            middle_B = (low_B + high_B) / 2
            below_B = _percentile(views, middle_B) < level_B
            low_B, high_B = torch.where(below_B, middle_B, low_B), torch.where(below_B, high_B, middle_B)
        return (low_B + high_B) / 2

    def _views(self, duration_B: Tensor) -> list[_Cohorts]:
        group_BQ = self.group_quantiles[torch.searchsorted(self.group_cuts, duration_B)]
        found = []
        for view in _VIEWS[self.config.by]:
            cohort_B = self._cohort(view, duration_B)
            own_BQ, rows_B = self._state(view, "quantiles")[cohort_B], self._state(view, "rows")[cohort_B]
            precision_B = rows_B + self.config.shrinkage
            found.append(_Cohorts(own_BQ, group_BQ, rows_B / precision_B, precision_B))
        return found

    def _cohort(self, view: str, duration_B: Tensor) -> Tensor:
        """Return the cohort of every row, 0 where it has none, int64 [B]."""
        level_B = self._levels.get(_FIELDS[view])
        if level_B is None:
            return torch.zeros_like(duration_B, dtype=torch.int64)
        key_B = level_B
        if view == "user":
            key_B = level_B * self.config.tiers + torch.searchsorted(self.tier_cuts, duration_B)
        cohort_K = self._state(view, "cohort")
        known_B = (level_B > 0) & (key_B < len(cohort_K))
        return torch.where(known_B, cohort_K[torch.where(known_B, key_B, 0)], 0)

    def _state(self, view: str, name: str) -> Tensor:
        return self.get_buffer(f"{view}_{name}")


def _quantiles(watch_s: NDArray[np.float64], part: NDArray[np.int64], parts: int) -> NDArray[np.float32]:
    """Return linearly interpolated quantiles of every part, 0 where it has no row, [parts, Q]."""
    order = np.lexsort((watch_s, part))
    watch, rows = np.append(watch_s[order], 0.0), np.bincount(part, minlength=parts)
    first = np.concatenate([[0], np.cumsum(rows)[:-1]])
    place: NDArray[Any] = np.linspace(0, 1, NUM_QUANTILE_POINTS) * np.maximum(rows - 1, 0)[:, None]
    low = np.floor(place).astype(np.int64)
    high = np.minimum(low + 1, np.maximum(rows - 1, 0)[:, None])
    left, right = watch[first[:, None] + low], watch[first[:, None] + high]
    return np.where(rows[:, None] > 0, left + (place - low) * (right - left), 0.0).astype(np.float32)


def _percentile(views: Sequence[_Cohorts], watch_B: Tensor) -> Tensor:
    """Return the percentile in one view as it is, in two as Phi of the precision-weighted mean of their probits, [B].

    Levels of 0 and 1 count as half a quantile step there.
    """
    if len(views) == 1:
        return views[0].percentile(watch_B)
    edge = 0.5 / (NUM_QUANTILE_POINTS - 1)
    probits = [torch.special.ndtri(view.percentile(watch_B).clamp(edge, 1 - edge)) * view.precision_B for view in views]
    total_B = torch.stack([view.precision_B for view in views]).sum(dim=0)
    percentile_B: Tensor = torch.special.ndtr(torch.stack(probits).sum(dim=0) / total_B)
    return percentile_B


def _level(quantile_BQ: Tensor, watch_B: Tensor) -> Tensor:
    """Return the level at which a quantile function takes a value, the middle of them where it is flat there, [B]."""
    last, watch_B1 = quantile_BQ.shape[1] - 1, watch_B[:, None]
    below_B1 = torch.searchsorted(quantile_BQ, watch_B1)
    up_to_B1 = torch.searchsorted(quantile_BQ, watch_B1, right=True)
    low_B1 = (below_B1 - 1).clamp(0, last - 1)
    left_B1, right_B1 = quantile_BQ.gather(1, low_B1), quantile_BQ.gather(1, low_B1 + 1)
    between_B1 = low_B1 + ((watch_B1 - left_B1) / (right_B1 - left_B1).clamp(min=_TINY)).clamp(0, 1)
    return (torch.where(up_to_B1 > below_B1, (below_B1 + up_to_B1 - 1) / 2, between_B1) / last)[:, 0]
