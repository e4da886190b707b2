"""What a preprocessor is fitted from: statistics of rows that merge, so that days may be read apart and in any process."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from tasks.table.items.watched import WatchCounter
from tasks.table.normalisation import MomentAccumulator
from tasks.table.rows import dense_matrix
from tasks.table.source import FeatureFolder
from tasks.table.vocabulary import LevelCounter

_MOMENTS, _DURATIONS, _WATCHES = "moments.npy", "durations.parquet", "watches.parquet"


@dataclass(frozen=True)
class Asked:
    """Which statistics a preprocessor asks for.

    Attributes:
        levels: categorical columns whose levels are counted.
        dense: features whose moments are taken.
        watched: label of a watch, where watched pairs are collected; None: they are not.
    """

    levels: tuple[str, ...]
    dense: tuple[str, ...]
    watched: str | None


class RowStatistics:
    """Counts, moments and pairs of any number of rows. What is counted does not depend on the order of the rows; moments follow it."""

    def __init__(self, asked: Asked) -> None:
        self.asked = asked
        self.levels = {field: LevelCounter(field) for field in asked.levels}
        self.moments = MomentAccumulator(asked.dense)
        self.durations = DurationCounter()
        self.watches = None if asked.watched is None else WatchCounter(asked.watched)

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns of the rows that `add` reads."""
        of_watches = () if self.watches is None else self.watches.columns
        return tuple(dict.fromkeys([*self.asked.levels, *self.asked.dense, "duration_ms", *of_watches]))

    def add(self, rows: pl.DataFrame) -> None:
        """Add a chunk of rows."""
        for field, counter in self.levels.items():
            counter.add(rows[field])
        self.moments.add(dense_matrix(rows, self.asked.dense))
        self.durations.add(rows["duration_ms"])
        if self.watches is not None:
            self.watches.add(rows)

    def save(self, folder: Path) -> None:
        """Write them to a new folder."""
        folder.mkdir(parents=True)
        for number, counter in enumerate(self.levels.values()):
            if counter.counts is not None:
                counter.counts.write_parquet(folder / f"{number}.parquet", compression="lz4")
        np.save(folder / _MOMENTS, self.moments.to_array())
        self.durations.counts.write_parquet(folder / _DURATIONS, compression="lz4")
        if self.watches is not None:
            self.watches.found.write_parquet(folder / _WATCHES, compression="lz4")

    def add_saved(self, folder: Path) -> None:
        """Add those of later rows that another one, asked for the same, has saved."""
        for number, counter in enumerate(self.levels.values()):
            if (counts := folder / f"{number}.parquet").is_file():
                counter.add_counts(pl.read_parquet(counts))
        self.moments.add_array(np.load(folder / _MOMENTS))
        self.durations.add_counts(pl.read_parquet(folder / _DURATIONS))
        if self.watches is not None:
            self.watches.add_pairs(pl.read_parquet(folder / _WATCHES))


@dataclass(frozen=True)
class StatisticsReader:
    """Takes the statistics of the rows of some days.

    Attributes:
        features: their folder.
        asked: which.
        cutoff_ms: rows known later do not count.
        chunk_rows: rows read at a time.
    """

    features: FeatureFolder
    asked: Asked
    cutoff_ms: int
    chunk_rows: int

    def of(self, days: Sequence[dt.date]) -> RowStatistics:
        """Return the statistics of some days."""
        statistics = RowStatistics(self.asked)
        columns = tuple(dict.fromkeys([*statistics.columns, "known_at_ms"]))
        for day in days:
            for chunk in self.features.chunks(day, columns, self.chunk_rows):
                statistics.add(chunk.filter(pl.col("known_at_ms") <= self.cutoff_ms))
        return statistics


class DurationCounter:
    """Counts every distinct duration, so that quantiles are exact whatever the number of rows."""

    def __init__(self) -> None:
        self.counts = pl.DataFrame(schema={"value": pl.Int64(), "count": pl.Int64()})

    def add(self, duration_ms: pl.Series) -> None:
        """Count one chunk."""
        values = pl.DataFrame({"value": duration_ms.cast(pl.Int64)})
        self.add_counts(values.group_by("value").agg(count=pl.len().cast(pl.Int64)))

    def add_counts(self, counts: pl.DataFrame) -> None:
        """Add the `counts` of other rows."""
        self.counts = pl.concat([self.counts, counts]).group_by("value").agg(pl.col("count").sum())

    def edges(self, buckets: int) -> NDArray[np.float64]:
        """Return the distinct inner edges in seconds of equal-count buckets (a row on an edge is in the upper bucket)."""
        ordered = self.counts.sort("value")
        values, cumulated = ordered["value"].to_numpy(), np.cumsum(ordered["count"].to_numpy())
        if len(values) == 0:
            return np.zeros(0)
        ranks = np.arange(1, buckets) * cumulated[-1] // buckets
        return np.unique(values[np.searchsorted(cumulated, ranks, side="right")]) / 1000
