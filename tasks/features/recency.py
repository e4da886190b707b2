"""When the impressions of a key were last shown, watched and skipped, and whether they ever were, before a day began.

All is a maximum or a sum of integers, so neither the order of rows nor that of days can change a byte. Rows of one user
and video at one millisecond are one event: a copy that is logged twice was not seen twice.
"""

import math
from collections.abc import Mapping

import polars as pl

from tasks.features import buckets
from tasks.features.config import FeatureGroup, Recency

LAST: Mapping[Recency, str | None] = {"last_seen": None, "last_watched": "valid_play", "last_skipped": "skip"}
"""Latest time of an event, and the label it must have."""
EVER: Mapping[Recency, str | None] = {"seen_before": None, "watched_before": "long_view"}
"""Number of events, and the label they must have."""
MOST_TIMES = 3
"""Code of events that happened so often, or more often."""
LABELS = ("valid_play", "skip", "long_view")
"""What an event keeps."""
_EVENT = ("user_id", "video_id", "event_time_ms")
_HOURS_SCALE = 5


def code_columns(name: str, group: FeatureGroup) -> list[str]:
    """Return the columns of codes of a group, in order: 0 where the lookback holds no such event."""
    return [f"{name}_{what}" for what in group.recency]


def dense_columns(name: str, group: FeatureGroup) -> list[str]:
    """Return the dense columns of a group's recency, in order: of every last time its gap, and whether it is absent."""
    return [f"{name}_{what}_{part}" for what in group.recency if what in LAST for part in ("gap", "absent")]


def absent(name: str, group: FeatureGroup, lookback: int) -> dict[str, float]:
    """Return what the dense columns hold where there was no event: a gap as long as the lookback (days), and 1."""
    gap = math.log1p(lookback * buckets.DAY_MS / buckets.HOUR_MS) / _HOURS_SCALE
    return {column: gap if column.endswith("_gap") else 1.0 for column in dense_columns(name, group)}


def sums(group: FeatureGroup) -> list[Recency]:
    """Return the columns that `of_day` gives beside the keys."""
    return [what for what in (*LAST, *EVER) if what in group.recency]


def of_day(rows: pl.LazyFrame, group: FeatureGroup) -> pl.LazyFrame:
    """Return one day's last times (ms, null: none) and numbers of events per key of a group.

    Args:
        rows: impressions with labels and known keys.
        group: keys and recency.
    """
    chosen = []
    for what in sums(group):
        label = {**LAST, **EVER}[what]
        holds = pl.col("event_time_ms").is_not_null() if label is None else pl.col(label) == 1
        value = pl.col("event_time_ms").filter(holds).max() if what in LAST else holds.cast(pl.Int64).sum()
        chosen.append(value.alias(what))
    return _events(rows, group).group_by(group.keys).agg(chosen)


def last_events_of_day(rows: pl.LazyFrame, group: FeatureGroup) -> pl.DataFrame:
    """Return every user's last event of one day: its keys of a group, known or not, and its labels.

    A user has several rows where the event has several keys (each tag of a list).
    """
    events = _events(rows, group)
    latest = events.group_by("user_id").agg(pl.col("event_time_ms").max())
    ties = events.join(latest, on=["user_id", "event_time_ms"], how="semi").collect(engine="streaming")
    return newest(ties.lazy(), group)


def newest(rows: pl.LazyFrame, group: FeatureGroup) -> pl.DataFrame:
    """Return every user's last event among some, sorted.

    Of two videos at one millisecond the larger id is the later, whatever the order of the file.
    """
    events = rows.collect(engine="streaming")
    for column in ("event_time_ms", "video_id"):
        events = events.filter(pl.col(column) == pl.col(column).max().over("user_id"))
    return _events(events.lazy(), group).collect().sort(_identity(group))


def before_day(
    days: pl.LazyFrame,
    last: pl.LazyFrame | None,
    name: str,
    group: FeatureGroup,
    start_ms: int,
    lookback: int,
) -> pl.LazyFrame:
    """Return the codes and dense columns of every key that was seen.

    Args:
        days: what `of_day` gave, of all days.
        last: users' last events with their keys, if the group asks which are adjacent.
        name: of the group.
        group: keys and recency.
        start_ms: when the day begins whose rows will read it.
        lookback: days that are looked back on.
    """
    keys = list(group.keys)
    kept = [pl.col(what).max() if what in LAST else pl.col(what).sum() for what in sums(group)]
    table = days.group_by(keys).agg(kept)
    if last is not None:
        code = pl.when(pl.col("valid_play") == 1).then(1).when(pl.col("skip") == 1).then(2).otherwise(0)
        ends = last.drop_nulls(keys).group_by(keys).agg(pl.col("valid_play", "skip").max())
        table = table.join(ends.select(*keys, adjacent=code), on=keys, how="left")
    columns = []
    for what in group.recency:
        value = pl.col(what)
        if what in LAST:
            gap_ms = start_ms - value
            unseen = pl.lit(absent(name, group, lookback)[f"{name}_{what}_gap"])
            gap = (gap_ms.cast(pl.Float64) / buckets.HOUR_MS).log1p() / _HOURS_SCALE
            columns.append(buckets.gap_bucket(gap_ms, lookback).alias(f"{name}_{what}"))
            columns.append(pl.coalesce(gap, unseen).cast(pl.Float32).alias(f"{name}_{what}_gap"))
            columns.append(value.is_null().cast(pl.Float32).alias(f"{name}_{what}_absent"))
        else:
            columns.append(value.fill_null(0).clip(0, MOST_TIMES).cast(pl.Int16).alias(f"{name}_{what}"))
    return table.select(*keys, *columns)


def _identity(group: FeatureGroup) -> list[str]:
    return list(dict.fromkeys((*group.keys, *_EVENT)))


def _events(rows: pl.LazyFrame, group: FeatureGroup) -> pl.LazyFrame:
    """Return the distinct events of each key with their labels."""
    return rows.group_by(_identity(group)).agg(pl.col(LABELS).max())
