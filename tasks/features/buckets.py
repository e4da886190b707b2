"""Fixed buckets and local calendar time. Edges are constants, so that a bucket means the same every night."""

from collections.abc import Sequence

import polars as pl

from tasks.core.days import DAY_MS

_QUARTER_MS = 15 * 60_000

DURATION_EDGES_MS = tuple(round(2_000 * 300 ** (i / 24)) for i in range(25))
"""24 log-spaced buckets from 2 s to 600 s, one below and one above; bucket 0 is an unknown duration."""
AGE_EDGES_DAYS = (0, 1, 2, 3, 4, 5, 7, 10, 14, 21, 30, 45, 60, 90, 180, 365)
"""Video age; bucket 0 is an unknown (or future) upload time."""
RATIO_EDGES_PERMILLE = (1, 50, 150, 350, 650, 1_000, 1_500)
"""Play / duration in 1..8: none, five parts of one pass, one pass, replays."""
GAP_DAYS = 7
"""Where the buckets of time gaps end, unless a lookback is longer."""


def bucket(value: pl.Expr, edges: Sequence[int]) -> pl.Expr:
    """Return 1 + the number of edges not above the value; 0 where it is null."""
    above = pl.sum_horizontal((value >= edge).cast(pl.Int16) for edge in edges)
    return pl.when(value.is_null()).then(0).otherwise(above + 1).cast(pl.Int16)


def duration_bucket(duration_ms: pl.Expr) -> pl.Expr:
    """Return the duration's bucket, 1..26; 0 unknown."""
    return bucket(duration_ms, DURATION_EDGES_MS)


def age_bucket(age_ms: pl.Expr) -> pl.Expr:
    """Return the bucket of a video's age, 2..17; 0 unknown, 1 uploaded later than shown."""
    return bucket(age_ms.floordiv(DAY_MS), AGE_EDGES_DAYS)


def ratio_bucket(watch_ms: pl.Expr, duration_ms: pl.Expr) -> pl.Expr:
    """Return the watch-ratio bucket, 1..8 (replays count)."""
    return bucket(watch_ms * 1_000 // duration_ms, RATIO_EDGES_PERMILLE)


def gap_edges_ms(days: int) -> tuple[int, ...]:
    """Return 15 log-spaced edges from 15 minutes to so many days."""
    quarters = days * DAY_MS // _QUARTER_MS
    return tuple(round(_QUARTER_MS * quarters ** (i / 14)) for i in range(15))


def gap_bucket(gap_ms: pl.Expr, lookback: int = GAP_DAYS) -> pl.Expr:
    """Return the bucket of the time between an event and a later midnight, 1..16; 0 where it is null."""
    return bucket(gap_ms, gap_edges_ms(max(lookback, GAP_DAYS)))


def local_time(time_ms: pl.Expr, timezone: str) -> pl.Expr:
    """Return a UTC millisecond column as local date and time."""
    return pl.from_epoch(time_ms, time_unit="ms").dt.replace_time_zone("UTC").dt.convert_time_zone(timezone)
