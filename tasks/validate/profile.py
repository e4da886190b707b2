"""What a partition looks like in whole numbers: the memory that later days are held against.

Counts add up over chunks in any order, so the profile of a partition never depends on how it was read.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import polars as pl

from tasks.validate.row_rules import RowContext, active

Counts = dict[str, int]
Histograms = dict[str, Counts]

_EDGES_S = {
    "watch": (0, 1, 3, 5, 7, 10, 18, 30, 60, 120, 240),
    "duration": (5, 7, 10, 15, 20, 30, 45, 60, 90, 120, 180, 240, 300),
    "delay": (3600, 2 * 3600, 6 * 3600, 24 * 3600),
}
_MEASURE = {
    "watch": pl.col("watch_ms"),
    "duration": pl.col("duration_ms"),
    "delay": pl.col("known_at_ms") - pl.col("event_time_ms"),
}
_MAGNITUDES = {
    "watch": pl.col("watch_ms") / 1000,
    "duration": pl.col("duration_ms") / 1000,
    "play_ratio": pl.col("watch_ms") / pl.col("duration_ms"),
}
_STEPS = 8
_LEVELS = ("scene", "policy", "click", "long_view")


def add(one: Mapping[str, int], other: Mapping[str, int]) -> Counts:
    """Add two tables of counts."""
    return {key: one.get(key, 0) + other.get(key, 0) for key in sorted({*one, *other})}


def add_histograms(profiles: Iterable[Mapping[str, Mapping[str, int]]]) -> Histograms:
    """Add tables of counts, name by name."""
    total: Histograms = {}
    for profile in profiles:
        for name, counts in profile.items():
            total[name] = add(total.get(name, {}), counts)
    return total


def histograms(frame: pl.DataFrame) -> Histograms:
    """Return the counts of every watched distribution: bins by their upper edge in seconds, levels by their name."""
    found: Histograms = {}
    for name, edges in _EDGES_S.items():
        bin_of = pl.lit(f"> {edges[-1]} s")
        for edge in reversed(edges):
            bin_of = pl.when(_MEASURE[name] <= edge * 1000).then(pl.lit(f"<= {edge} s")).otherwise(bin_of)
        found[name] = _count(frame, bin_of)
    for name in _LEVELS:
        found[name] = _count(frame, pl.col(name).cast(pl.String).fill_null("null"))
    return found


def magnitudes(frame: pl.DataFrame) -> Histograms:
    """Return, of the rows that were played and have a length, the counts of each measure by its binary logarithm.

    A level is a whole number, eight to a factor of two: fine enough for a median, and one that adds up over chunks.
    """
    played = frame.filter((pl.col("watch_ms") > 0) & (pl.col("duration_ms") > 0))
    return {
        name: _count(played, (measure.log(2) * _STEPS).floor().cast(pl.Int32)) for name, measure in _MAGNITUDES.items()
    }


def median(counts: Counts) -> float | None:
    """Return the median of a measure, from its counts by magnitude, to within a twelfth; None if there are no rows."""
    middle, below = sum(counts.values()) / 2, 0
    for level in sorted(counts, key=int):
        below += counts[level]
        if below >= middle > 0:
            return float(2 ** ((int(level) + 0.5) / _STEPS))
    return None


def _count(frame: pl.DataFrame, level: pl.Expr) -> Counts:
    counts = frame.select(level.alias("level")).group_by("level").len().sort("level")
    return {str(name): int(count) for name, count in counts.iter_rows()}


def null_counts(frame: pl.DataFrame) -> Counts:
    """Return column -> nulls."""
    return {name: int(count) for name, count in frame.null_count().row(0, named=True).items()}


def note_counts(frame: pl.DataFrame, context: RowContext) -> Counts:
    """Return how many rows each note is true of."""
    notes = active(context, "note")
    row: dict[str, Any] = frame.select(rule.sum().alias(name) for name, rule in notes.items()).row(0, named=True)
    return {name: int(count or 0) for name, count in row.items()}


def reason_counts(quarantined: pl.DataFrame) -> Counts:
    """Return reason -> quarantined rows."""
    return _count(quarantined, pl.col("reason"))
