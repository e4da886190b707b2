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
from tasks.evaluate.role import Role
from tasks.table.rows import seconds, watch_seconds
from tasks.table.source import FeatureFolder

Floats = NDArray[np.float64]

BASE_COLUMNS = (*KEY, "known_at_ms", "duration_ms", "watch_ms", *LABELS)
"""Columns that baselines read."""


@dataclass(frozen=True, eq=False)
class Examples:
    """Rows of one role.

    Attributes:
        role: fit, validation or judge.
        where: what to call them in messages.
        frame: base columns.
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


def read_examples(
    source: FeatureFolder, days: Sequence[dt.date], role: Role, cutoff_ms: int, truncate_watch: bool = True
) -> Examples:
    """Return the rows of some arrival days that were known at the run's cut-off.

    Args:
        source: folder of the features stage.
        days: arrival days.
        role: what the rows may be used for.
        cutoff_ms: rows known later are left out.
        truncate_watch: whether the label is min(play, duration).

    Raises:
        TrainingError: if no row is left.
    """
    parts = [
        chunk.filter(pl.col("known_at_ms") <= cutoff_ms) for day in days for chunk in source.chunks(day, BASE_COLUMNS)
    ]
    where = f"{role} days {', '.join(day.isoformat() for day in days)}"
    frame = pl.concat(parts) if parts else pl.DataFrame()
    if frame.is_empty():
        raise TrainingError(f"baselines: the {where} hold no row that was known in time")
    return Examples(role, where, frame, truncate_watch)
