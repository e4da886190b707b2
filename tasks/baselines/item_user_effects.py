"""Duration mean plus shrunken effects of the video and the user: the classic two-way table.

effect(video) = sum of residuals / (rows + shrinkage), then the same for the user on what is left.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
import polars as pl
from numpy.typing import NDArray

from tasks.baselines.base import Baseline
from tasks.baselines.config import BaselineConfig
from tasks.baselines.rows import Examples, Floats
from tasks.core.labels import LABELS
from tasks.core.predictions import probability
from tasks.table.rows import seconds
from tasks.train.duration_buckets import DurationBuckets


@dataclass(frozen=True, eq=False)
class KnownIds:
    """Ids of the fit rows; any other has no effect."""

    sorted_ids: NDArray[np.int64]

    def code(self, values: pl.Series) -> NDArray[np.int64]:
        """Return the position of every id, and the number of ids for an unknown one."""
        ids = values.cast(pl.Int64).to_numpy()
        place = np.minimum(np.searchsorted(self.sorted_ids, ids), self.sorted_ids.size - 1)
        return np.where(self.sorted_ids[place] == ids, place, self.sorted_ids.size)


@dataclass(frozen=True, eq=False)
class Effects:
    """One target's table: a mean per duration bucket, an effect per video and per user (the last one is 0: unknown)."""

    bucket: Floats
    video: Floats
    user: Floats


@dataclass(frozen=True, eq=False)
class ItemUserEffects(Baseline):
    """Watch time and every task as bucket mean + video effect + user effect."""

    buckets: DurationBuckets
    videos: KnownIds
    users: KnownIds
    watch: Effects
    tasks: dict[str, Effects]
    bounded: bool

    @classmethod
    def fit(cls, fit: Examples, validation: Examples, config: BaselineConfig) -> Self:
        """Fit bucket means, then video effects, then user effects."""
        buckets = DurationBuckets.fit(fit.watch_s, fit.duration_s, config.duration_groups)
        videos, users = (KnownIds(np.unique(fit.frame[key].to_numpy())) for key in ("video_id", "user_id"))
        codes = buckets.of(fit.duration_s), videos.code(fit.frame["video_id"]), users.code(fit.frame["user_id"])
        sizes = buckets.num_buckets, videos.sorted_ids.size + 1, users.sorted_ids.size + 1

        def effects(target_B: Floats) -> Effects:
            bucket = _shrunken(target_B, codes[0], sizes[0], 0.0)
            left_B = target_B - bucket[codes[0]]
            video = _shrunken(left_B, codes[1], sizes[1], config.shrinkage)
            return Effects(bucket, video, _shrunken(left_B - video[codes[1]], codes[2], sizes[2], config.shrinkage))

        tasks: dict[str, Effects] = {task: effects(fit.label(task)) for task in LABELS}
        return cls(buckets, videos, users, effects(fit.watch_s), tasks, fit.truncate_watch)

    def predict(self, frame: pl.DataFrame, where: str) -> dict[str, Floats]:
        """Add the effects of every row up."""
        duration_s = seconds(frame, where)
        codes = self.buckets.of(duration_s), self.videos.code(frame["video_id"]), self.users.code(frame["user_id"])

        def total(effects: Effects) -> Floats:
            return effects.bucket[codes[0]] + effects.video[codes[1]] + effects.user[codes[2]]

        watch_s = total(self.watch)
        chances = {probability(task): np.clip(total(effects), 0, 1) for task, effects in self.tasks.items()}
        return {"score": watch_s, "mean": np.clip(watch_s, 0, duration_s if self.bounded else None), **chances}


def _shrunken(target_B: Floats, code_B: NDArray[np.int64], size: int, strength: float) -> Floats:
    """Return sum / (rows + strength) per code, 0 where there is no row."""
    total, rows = np.bincount(code_B, weights=target_B, minlength=size), np.bincount(code_B, minlength=size)
    effect: Floats = np.divide(total, rows + strength, out=np.zeros(size), where=rows > 0)
    return effect
