"""The examples baselines are fitted on and predict for, with the role that says what they may be used for."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import polars as pl
from numpy.typing import NDArray

from tasks.core.contract import KEY
from tasks.core.errors import TrainingError
from tasks.core.labels import LABELS
from tasks.evaluate.metrics.ranked_lists import tie_hash
from tasks.evaluate.role import Role
from tasks.table.rows import seconds, watch_seconds
from tasks.table.source import FeatureFolder

Floats = NDArray[np.float64]

BASE_COLUMNS = (*KEY, "known_at_ms", "duration_ms", "watch_ms", *LABELS)
"""Columns every baseline needs; its own features come on top."""


@dataclass(frozen=True, eq=False)
class Examples:
    """Rows of one role.

    Attributes:
        role: fit, validation or judge.
        where: what to call them in messages.
        frame: base columns and the features a baseline asked for.
        truncate_watch: whether the label is min(play, duration).
    """

    role: Role
    where: str
    frame: pl.DataFrame
    truncate_watch: bool = True

    def __len__(self) -> int:
        return self.frame.height

    @cached_property
    def watch_s(self) -> Floats:
        """Watched seconds."""
        return watch_seconds(self.frame, self.truncate_watch)

    @cached_property
    def duration_s(self) -> Floats:
        """Seconds."""
        return seconds(self.frame, self.where)

    def label(self, task: str) -> Floats:
        """Return a 0/1 label."""
        return self.frame[task].cast(pl.Float64).to_numpy()


@dataclass(frozen=True)
class ExampleSelection:
    """Which of the rows and columns of some days a baseline is given.

    Attributes:
        features: columns beside the base columns.
        cutoff_ms: rows known later are left out.
        max_rows: a larger number of rows is thinned to about so many, by a hash of the key.
        truncate_watch: whether the label is min(play, duration).
    """

    features: Sequence[str]
    cutoff_ms: int
    max_rows: int | None = None
    truncate_watch: bool = True


def read_examples(source: FeatureFolder, days: Sequence[dt.date], role: Role, selection: ExampleSelection) -> Examples:
    """Return the rows of some arrival days that were known at the run's cut-off.

    Args:
        source: folder of the features stage.
        days: arrival days.
        role: what the rows may be used for.
        selection: which of them, with which columns.

    Raises:
        TrainingError: if no row is left.
    """
    columns = tuple(dict.fromkeys([*BASE_COLUMNS, *selection.features]))
    share = 1.0 if selection.max_rows is None else min(1.0, selection.max_rows / max(_count(source, days), 1))
    parts = []
    for day in days:
        for chunk in source.chunks(day, columns):
            known = chunk.filter(pl.col("known_at_ms") <= selection.cutoff_ms)
            parts.append(known if share == 1 else known.filter(pl.Series(_kept(known, share))))
    where = f"{role} days {', '.join(day.isoformat() for day in days)}"
    frame = pl.concat(parts) if parts else pl.DataFrame()
    if frame.is_empty():
        raise TrainingError(f"baselines: the {where} hold no row that was known in time")
    return Examples(role, where, frame, selection.truncate_watch)


def _count(source: FeatureFolder, days: Sequence[dt.date]) -> int:
    return sum(int(pl.scan_parquet(source.rows(day)).select(pl.len()).collect().item()) for day in days)


def _kept(frame: pl.DataFrame, share: float) -> NDArray[np.bool_]:
    user, video, time = (frame[name].to_numpy() for name in KEY)
    kept: NDArray[np.bool_] = tie_hash(user, video, time, seed=0) < np.uint64(share * (2**64 - 1))
    return kept
