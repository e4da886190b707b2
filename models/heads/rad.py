"""Relative advantage debiasing (RAD): predict how far up its cohort a watch time stands.

Shape legend: B rows, O outputs of a head, Q quantile points, C cohorts with a quantile function of their own,
K keys of a view (levels of its field, times the duration tiers of a user).
"""

import copy
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Literal, Self

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor

from models.component import ComponentConfig
from models.heads.base import Head, LabelState, TrainLabels
from models.heads.duration_groups import duration_cuts

NUM_QUANTILE_POINTS = 101
_BISECTIONS = 40
_FIELDS = {"video": "video_id", "user": "user_id"}
_VIEWS: Mapping[str, tuple[str, ...]] = {"video": ("video",), "user": ("user",), "both": ("video", "user")}


class RadConfig(ComponentConfig):
    """What watch times are compared with, and when a cohort is too small to say."""

    kind: Literal["rad"] = "rad"
    by: Literal["video", "user", "both"] = "video"
    """the same video's other plays (RAD-V), the same user's plays of like length (RAD-U), or both (RAD-UV)"""
    groups: int = Field(default=10, ge=1)
    """equal-frequency duration groups; small cohorts are compared within them"""
    tiers: int = Field(default=4, ge=1)
    """equal-frequency duration tiers that a user's plays are told apart by"""
    least_rows: int = Field(default=20, ge=1)
    """a cohort with fewer train rows has the quantiles of its duration group"""
    shrinkage: float = Field(default=20.0, gt=0)
    """rows that the duration group's quantiles count for in a cohort's, and the precision of a cohort without rows"""

    @property
    def fields(self) -> tuple[str, ...]:
        """Categorical fields whose levels make the cohorts."""
        return tuple(_FIELDS[view] for view in _VIEWS[self.by])


class Rad(Head):
    """Squared error of s(f) against the percentile of the row's watch time in its cohort; decodes by the cohort's quantiles.

    RAD-UV takes the probits of both percentiles, averages them by precision and goes back through Phi. Our reading of a
    secondary source of arXiv 2508.11086 (`watch_time.md` section 5.13). Ours are: the cohort's quantiles shrunken towards
    those of its duration group, where the publication learns quantile functions from embeddings and backs off to clusters
    of cohorts; precision taken as rows plus the shrinkage. The decode is a value near the median, as D2Q's. The mean comes
    from the calibrator.
    """

    Config = RadConfig
    # There is no native mean whose order the score could share.
    monotone: ClassVar[bool] = False
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
        pooled = _quantiles(labels.watch_s, group, len(cuts) + 1)
        state: LabelState = {
            "group_cuts": cuts.astype(np.float32),
            "group_quantiles": pooled.astype(np.float32),
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
            count = np.bincount(of_row[kept], minlength=len(large) + 1).astype(np.float64)
            own = _quantiles(labels.watch_s[kept], of_row[kept], len(large) + 1)
            # The plays of a cohort may lie in several duration groups: each counts for what it holds of them.
            share = np.zeros((len(large) + 1, len(pooled)))
            np.add.at(share, (of_row[kept], group[kept]), 1.0)
            prior = share @ pooled / np.maximum(count, 1)[:, None]
            weight = (count / (count + config.shrinkage))[:, None]
            state[f"{view}_cohort"] = cohort
            state[f"{view}_quantiles"] = (weight * own + (1 - weight) * prior).astype(np.float32)
            state[f"{view}_rows"] = count.astype(np.float32)
        return state

    def __init__(self, config: RadConfig, state: LabelState) -> None:
        super().__init__(config, state)
        for name, value in state.items():
            self.register_buffer(name, torch.tensor(value))
        self._levels: Mapping[str, Tensor] = {}

    @property
    def num_outputs(self) -> int:
        """One."""
        return 1

    def of(self, level_of: Callable[[str], Tensor]) -> Self:
        """Return the head for the rows whose levels of a field `level_of` gives; the head itself knows no cohort."""
        bound = copy.copy(self)
        bound._levels = {field: level_of(field) for field in self.config.fields}
        return bound

    def loss(self, out_BO: Tensor, watch_B: Tensor, duration_B: Tensor) -> Tensor:
        """Return (s(f) - percentile)^2 of every row, [B]."""
        percentile_B = self._percentile(watch_B, self._cohorts(duration_B))
        return (torch.sigmoid(out_BO[:, 0].float()) - percentile_B).square()

    def score(self, out_BO: Tensor, duration_B: Tensor) -> Tensor:
        """Return the seconds that stand as far up the cohort as predicted, before clipping, [B]."""
        level_B, cohorts = torch.sigmoid(out_BO[:, 0].float()), self._cohorts(duration_B)
        if len(cohorts) == 1:
            return _at(cohorts[0][0], level_B)
        low_B, high_B = (
            torch.zeros_like(level_B),
            torch.stack([quantile_BQ[:, -1] for quantile_BQ, _ in cohorts]).amax(0),
        )
        for _ in range(_BISECTIONS):
            middle_B = (low_B + high_B) / 2
            below_B = self._percentile(middle_B, cohorts) < level_B
            low_B, high_B = torch.where(below_B, middle_B, low_B), torch.where(below_B, high_B, middle_B)
        return high_B

    def decode_median(self, out_BO: Tensor, duration_B: Tensor) -> Tensor:
        """Return a value near the median in seconds, [B]."""
        return torch.minimum(self.score(out_BO, duration_B), duration_B)

    def _cohorts(self, duration_B: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Return the quantiles [B, Q] and the precision [B] of every view."""
        pooled_BQ = self.group_quantiles[torch.searchsorted(self.group_cuts, duration_B)]
        found = []
        for view in _VIEWS[self.config.by]:
            cohort_B = self._cohort(view, duration_B)
            quantiles_BQ = torch.where((cohort_B > 0)[:, None], self._state(view, "quantiles")[cohort_B], pooled_BQ)
            found.append((quantiles_BQ, self._state(view, "rows")[cohort_B] + self.config.shrinkage))
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

    def _percentile(self, watch_B: Tensor, cohorts: list[tuple[Tensor, Tensor]]) -> Tensor:
        """Return how far up the cohort a watch time stands, in [0, 1], [B]."""
        if len(cohorts) == 1:
            return _level(cohorts[0][0], watch_B)
        total_B = torch.stack([precision_B for _, precision_B in cohorts]).sum(dim=0)
        parts = [_probit(_level(quantile_BQ, watch_B)) * precision_B for quantile_BQ, precision_B in cohorts]
        level_B: Tensor = torch.special.ndtr(torch.stack(parts).sum(dim=0) / total_B)
        return level_B


def _quantiles(watch_s: NDArray[np.float64], part: NDArray[np.int64], parts: int) -> NDArray[np.float64]:
    """Return linearly interpolated quantiles of every part, 0 where it has no row, [parts, Q]."""
    order = np.lexsort((watch_s, part))
    watch, rows = np.append(watch_s[order], 0.0), np.bincount(part, minlength=parts)
    first = np.concatenate([[0], np.cumsum(rows)[:-1]])
    place: NDArray[Any] = np.linspace(0, 1, NUM_QUANTILE_POINTS) * np.maximum(rows - 1, 0)[:, None]
    low = np.floor(place).astype(np.int64)
    high = np.minimum(low + 1, np.maximum(rows - 1, 0)[:, None])
    left, right = watch[first[:, None] + low], watch[first[:, None] + high]
    found: NDArray[np.float64] = np.where(rows[:, None] > 0, left + (place - low) * (right - left), 0.0)
    return found


def _level(quantile_BQ: Tensor, watch_B: Tensor) -> Tensor:
    """Return the level at which the quantile function takes a value, the middle of them where it is flat, [B]."""
    watch_B1, last = watch_B.float()[:, None], quantile_BQ.shape[1] - 1
    below_B, up_to_B = (quantile_BQ < watch_B1).sum(dim=1), (quantile_BQ <= watch_B1).sum(dim=1)
    low_B1 = (below_B - 1).clamp(0, last - 1)[:, None]
    left_B, right_B = quantile_BQ.gather(1, low_B1)[:, 0], quantile_BQ.gather(1, low_B1 + 1)[:, 0]
    inside_B = ((watch_B - left_B) / (right_B - left_B).clamp(min=1e-6)).clamp(0, 1)
    between_B = low_B1[:, 0] + inside_B
    return torch.where(up_to_B > below_B, (below_B + up_to_B - 1) / 2, between_B) / last


def _at(quantile_BQ: Tensor, level_B: Tensor) -> Tensor:
    """Return the quantile function at a level, [B]."""
    place_B = level_B * (quantile_BQ.shape[1] - 1)
    low_B1 = place_B.long().clamp(0, quantile_BQ.shape[1] - 2)[:, None]
    left_B, right_B = quantile_BQ.gather(1, low_B1)[:, 0], quantile_BQ.gather(1, low_B1 + 1)[:, 0]
    return torch.lerp(left_B, right_B, place_B - low_B1[:, 0])


def _probit(level_B: Tensor) -> Tensor:
    """Return the standard normal quantile of a level; the outermost ones count as half a quantile step, [B]."""
    edge = 0.5 / (NUM_QUANTILE_POINTS - 1)
    probit_B: Tensor = torch.special.ndtri(level_B.clamp(edge, 1 - edge))
    return probit_B
