"""When the impressions of a key were last shown, watched and skipped, and whether they ever were, before a day began.

All is a maximum or a sum of integers, so neither the order of rows nor that of days can change a byte. Rows of one user
and video at one millisecond are one event: a copy that is logged twice was not seen twice
(docs/methods/features.md#recency).
"""

import math
from collections.abc import Mapping

import polars as pl

from tasks.core.days import DAY_MS, HOUR_MS
from tasks.features import buckets
from tasks.features.config import FeatureGroup, Recency

LAST: Mapping[Recency, str | None] = {"last_seen": None, "last_watched": "valid_play", "last_skipped": "skip"}
"""Latest time of an event, and the label it must have."""
EVER: Mapping[Recency, str | None] = {"seen_before": None, "watched_before": "long_view"}
"""Number of events, and the label they must have."""
MOST_TIMES = 3
"""Code of events that happened so often, or more often."""
TYPES: Mapping[str, pl.DataType] = {
    "user_id": pl.Int64(), "video_id": pl.Int64(), "event_time_ms": pl.Int64(), "author_id": pl.Int64(),
    "music_id": pl.Int64(), "tag": pl.String(), "scene": pl.Int16(), "duration_bucket": pl.Int16(),
    "valid_play": pl.Int8(), "skip": pl.Int8(), "long_view": pl.Int8(),
}  # fmt: skip
"""Columns of an event."""
_EVENT, _DESCRIBED, _LABELS = tuple(TYPES)[:3], tuple(TYPES)[3:-3], tuple(TYPES)[-3:]
_HOURS_SCALE = 5


def code_columns(name: str, group: FeatureGroup) -> list[str]:
    """Return the columns of codes of a group, in order: 0 where the lookback holds no such event."""
    return [f"{name}_{what}" for what in group.recency]


def dense_columns(name: str, group: FeatureGroup) -> list[str]:
    """Return the dense columns of a group's recency, in order: of every last time its gap, and whether it is absent."""
    return [f"{name}_{what}_{part}" for what in group.recency if what in LAST for part in ("gap", "absent")]


def absent(name: str, group: FeatureGroup, lookback: int) -> dict[str, float]:
    """Return what the dense columns hold where there was no event: a gap as long as the lookback (days), and 1."""
    gap = math.log1p(lookback * DAY_MS / HOUR_MS) / _HOURS_SCALE
    return {column: gap if column.endswith("_gap") else 1.0 for column in dense_columns(name, group)}


def sums(group: FeatureGroup) -> list[Recency]:
    """Return the columns that `of_day` gives beside the keys."""
    return [what for what in (*LAST, *EVER) if what in group.recency]


def events(rows: pl.LazyFrame) -> pl.LazyFrame:
    """Return the distinct events among impressions, with what keys and labels they have; of copies, the largest."""
    return rows.group_by(_EVENT).agg(pl.col(*_DESCRIBED, *_LABELS).max())


def of_day(found: pl.LazyFrame, group: FeatureGroup) -> pl.LazyFrame:
    """Return one day's last times (ms, null: none) and numbers of events per key of a group.

    Args:
        found: distinct events whose keys are known.
        group: keys and recency.
    """
    chosen = []
    for what in sums(group):
        label = {**LAST, **EVER}[what]
        holds = pl.col("event_time_ms").is_not_null() if label is None else pl.col(label) == 1
        value = pl.col("event_time_ms").filter(holds).max() if what in LAST else holds.cast(pl.Int64).sum()
        chosen.append(value.alias(what))
    return found.group_by(group.keys).agg(chosen)


def last_of_day(found: pl.LazyFrame) -> pl.DataFrame:
    """Return every user's last event of one day, with all that it is described by."""
    latest = found.group_by("user_id").agg(pl.col("event_time_ms").max())
    return newest(found.join(latest, on=["user_id", "event_time_ms"], how="semi"))


def newest(found: pl.LazyFrame) -> pl.DataFrame:
    """Return every user's last event, sorted.

    Of two videos at one millisecond the larger id is the later, whatever the order of the file.
    """
    last = found.collect(engine="streaming")
    for column in ("event_time_ms", "video_id"):
        last = last.filter(pl.col(column) == pl.col(column).max().over("user_id"))
    return events(last.lazy()).collect().sort("user_id")


def before_day(
    table: pl.DataFrame, last: pl.DataFrame | None, name: str, group: FeatureGroup, start_ms: int, lookback: int
) -> pl.DataFrame:
    """Return the codes and dense columns of some keys, in their order.

    Args:
        table: the group's keys, and what `of_day` gave, of all days.
        last: users' last events once per key, if the group asks which are adjacent.
        name: of the group.
        group: keys and recency.
        start_ms: when the day begins whose rows will read it.
        lookback: days that are looked back on.
    """
    if last is not None:
        keys = list(group.keys)
        code = pl.when(pl.col("valid_play") == 1).then(1).when(pl.col("skip") == 1).then(2).otherwise(0)
        ends = last.drop_nulls(keys).select(*keys, adjacent=code)
        table = table.join(ends, on=keys, how="left", maintain_order="left")
    columns = []
    for what in group.recency:
        value = pl.col(what)
        if what in LAST:
            gap_ms = start_ms - value
            unseen = pl.lit(absent(name, group, lookback)[f"{name}_{what}_gap"])
            gap = (gap_ms.cast(pl.Float64) / HOUR_MS).log1p() / _HOURS_SCALE
            columns.append(buckets.gap_bucket(gap_ms, lookback).alias(f"{name}_{what}"))
            columns.append(pl.coalesce(gap, unseen).cast(pl.Float32).alias(f"{name}_{what}_gap"))
            columns.append(value.is_null().cast(pl.Float32).alias(f"{name}_{what}_absent"))
        else:
            columns.append(value.fill_null(0).clip(0, MOST_TIMES).cast(pl.Int16).alias(f"{name}_{what}"))
    return table.select(columns)
