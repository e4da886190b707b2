"""What a day showed: XAUC of a model, seconds watched and skip rate, with user-clustered standard errors.

Rows are those that metrics are about: randomly exposed ones only where there are no others. Shapes: B rows, U users.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import polars as pl

from tasks.core.labels import truncated_watch
from tasks.core.layout import partition
from tasks.evaluate.metrics.groups import Groups
from tasks.evaluate.metrics.inputs import Array, FloatArray, IntArray
from tasks.evaluate.metrics.pairwise import xauc_influence
from tasks.evaluate.metrics.uncertainty import standard_error
from tasks.evaluate.rows import logged_rows
from tasks.evaluate.table import PredictionTable
from tasks.registry.forecast import Metric


@dataclass(frozen=True)
class DayTotals:
    """The rows of one arrival day.

    Attributes:
        day: the day.
        rows: impressions.
        seconds: watched in all, as labels count them.
        skips: impressions skipped.
    """

    day: dt.date
    rows: int
    seconds: float
    skips: int

    @property
    def skip_rate(self) -> float:
        """Share of the impressions that were skipped."""
        return self.skips / self.rows


def day_totals(features: Path, days: Sequence[dt.date], truncate_watch: bool) -> tuple[DayTotals, ...]:
    """Return the totals of those days that hold rows.

    Args:
        features: data/features.
        days: arrival days.
        truncate_watch: whether the label is min(play, duration).
    """
    return tuple(found for day in days if (found := _totals(features, day, truncate_watch)) is not None)


def _totals(features: Path, day: dt.date, truncate_watch: bool) -> DayTotals | None:
    rows = pl.scan_parquet(partition(features / "rows", day), hive_partitioning=False)
    watch = truncated_watch() if truncate_watch else pl.col("watch_ms")
    standard = pl.col("policy") != "random"
    counted = standard | ~standard.any()
    kept = rows.filter(counted).select(pl.len(), watch.sum().alias("ms"), pl.col("skip").cast(pl.Int64).sum()).collect()
    number, milliseconds, skips = kept.row(0)
    return DayTotals(day, number, milliseconds / 1000, skips) if number else None


@dataclass(frozen=True, eq=False)
class JudgedRows:
    """One model's predictions of the rows of a day that count, with their labels.

    Attributes:
        table: all rows.
        index: numbers of those that count.
        users: user of each of these.
    """

    table: PredictionTable
    index: IntArray
    users: Groups

    @classmethod
    def read(cls, name: str, *paths: Path) -> "JudgedRows":
        """Read judge tables, one a day.

        Raises:
            ContractError: if one or a column is missing.
            PredictionError: if they hold different seeds or labels.
        """
        table = PredictionTable.read(name, paths)
        index = logged_rows(table)
        return cls(table, index, Groups(table.user, table.num_users).subset(index))

    def __len__(self) -> int:
        return self.index.size

    @property
    def watch(self) -> FloatArray:
        """Watched seconds."""
        return self.table.y[self.index]

    @property
    def duration(self) -> FloatArray:
        """Durations in seconds."""
        return self.table.duration[self.index]

    def score(self, seed: int) -> FloatArray:
        """Return the score of one seed."""
        return self.table.score(seed)[self.index]

    @cached_property
    def xauc(self) -> tuple[float, float]:
        """XAUC, the mean over seeds, and its standard error."""
        found = [xauc_influence(self.watch, self.score(seed), self.users) for seed in self.table.seeds]
        psi_U = np.mean([one.psi_U for one in found], axis=0)
        return float(np.mean([one.value for one in found])), standard_error(psi_U, found[0].num_groups)

    def came(self) -> dict[Metric, float]:
        """Return the seconds watched and the skip rate."""
        return {"seconds": float(self.watch.sum()), "skip_rate": float(self.table.label("skip")[self.index].mean())}

    def errors(self, rows: int) -> dict[Metric, float]:
        """Return the standard errors of a day's metrics.

        Args:
            rows: impressions that seconds are summed over.
        """
        return {
            "xauc": self.xauc[1],
            "seconds": rows * self._error_of_mean(self.watch),
            "skip_rate": self._error_of_mean(self.table.label("skip")[self.index]),
        }

    def predicted(self) -> dict[Metric, float]:
        """Return the same as calibrated predictions promise it, the mean over seeds; skips where they are predicted."""
        seeds = self.table.seeds
        seconds = [self.table.watch_mean(seed)[self.index].sum() for seed in seeds]
        found: dict[Metric, float] = {"seconds": float(np.mean(seconds))}
        if "skip" in self.table.tasks:
            chances = [self.table.probability("skip", seed)[self.index].mean() for seed in seeds]
            found["skip_rate"] = float(np.mean(chances))
        return found

    def _error_of_mean(self, values_B: Array) -> float:
        psi_U = self.users.sum(values_B - values_B.mean()) / values_B.size
        return standard_error(psi_U, int((self.users.rows() > 0).sum()))
