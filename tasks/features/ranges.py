"""Consecutive ranges of rows: what is worked on at a time does not grow with the rows of a day."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from tasks.features.partitions import count_rows

MOST_ROWS = 1_000_000
"""Rows of the log, or of daily sums, that are held at a time."""
EVERY = pl.lit(True)
"""The range of all rows."""


@dataclass(frozen=True)
class Key:
    """An integer column that rows are parted by.

    Attributes:
        column: without nulls.
        unit: so many of its values, from a multiple of it on, stay together.
    """

    column: str
    unit: int = 1

    def between(self, first: int, last: int) -> pl.Expr:
        """Return the filter of the values whose quotient by the unit lies between two, both included."""
        return pl.col(self.column).is_between(first * self.unit, (last + 1) * self.unit - 1)


BY_USER = (Key("user_id"),)
BY_TIME = (Key("event_time_ms", 60_000), Key("event_time_ms"), Key("user_id"))
"""Minutes; within a minute that holds too many rows milliseconds, and within such a millisecond users."""


def ranges_of_files(files: Sequence[Path], rows: pl.LazyFrame, keys: Sequence[Key]) -> list[pl.Expr]:
    """Return `ranges` of rows that are scanned from some files, which are not read where they hold few."""
    return [EVERY] if count_rows(*files) <= MOST_ROWS else ranges(rows, keys)


def ranges(rows: pl.LazyFrame, keys: Sequence[Key]) -> list[pl.Expr]:
    """Part rows into ranges that ascend by the first key, and within a value that holds too many rows by the next.

    Rows of one value of the last key stay together; any other range holds fewer than twice `MOST_ROWS`.

    Args:
        rows: to part.
        keys: from the coarsest to the finest.

    Returns:
        A filter for every range; each row passes exactly one. Rows that are few pass a single one.
    """
    key, finer = keys[0], keys[1:]
    values = rows.group_by(value=pl.col(key.column) // key.unit).agg(n=pl.len().cast(pl.Int64))
    counts = values.collect(engine="streaming").sort("value")
    if counts["n"].sum() <= MOST_ROWS:
        return [EVERY]
    many = pl.col("n") > MOST_ROWS
    filled = (pl.col("n").cum_sum() - pl.col("n")) // MOST_ROWS
    begins = many | many.shift(fill_value=False) | (filled != filled.shift(fill_value=0))
    parts = counts.group_by(part=begins.cum_sum()).agg(
        first=pl.col("value").min(), last=pl.col("value").max(), many=many.any()
    )
    found: list[pl.Expr] = []
    for first, last, too_many in parts.sort("part").select("first", "last", "many").iter_rows():
        inside = key.between(first, last)
        within = ranges(rows.filter(inside), finer) if too_many and finer else [EVERY]
        found += [inside & narrower for narrower in within]
    return found
