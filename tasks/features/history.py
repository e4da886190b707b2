"""The last events of each user, as sequence input of the models.

`history/day=E.parquet` holds one row per user with at least one event known before E within the lookback, sorted by
user_id. Its list columns have equal lengths within a row, at most `history_length`, oldest event first (by
event_time_ms, then video_id, then known_at_ms). To pad without Python loops, take the lists' Arrow buffers:

    column = table.column("feedback").combine_chunks()
    offsets, values = column.offsets.to_numpy(), column.values.to_numpy()
"""

import datetime as dt
from collections.abc import Sequence
from pathlib import Path

import polars as pl

from tasks.core.contract import context_names
from tasks.core.days import midnight_ms
from tasks.features import buckets
from tasks.features.ranges import EVERY

FEEDBACK = ("skip", "neutral", "valid", "long", "finish", "liked", "hated")
"""Names of the feedback codes 1, 2, ... (0 is the pad). Where several hold, the last in this order wins."""
FIELDS = ("video_id", "author_id", "tag", "scene")
"""Raw identifiers kept per event, as models read them; further context is kept for whoever serves its last value."""
CODES = {"feedback": len(FEEDBACK), "ratio_bucket": 8, "gap_bucket": 16}
"""Integer codes per event and their largest value."""

_ORDER = ("user_id", "event_time_ms", "video_id", "known_at_ms")


def feedback_code() -> pl.Expr:
    """Return the feedback code of an event from its labels, 1..7."""
    holds = {
        "hated": pl.col("hate") == 1,
        "liked": pl.col("like") == 1,
        "finish": pl.col("finish") == 1,
        "long": pl.col("long_view") == 1,
        "valid": pl.col("valid_play") == 1,
        "neutral": pl.col("skip") == 0,
    }
    codes = [pl.when(rule).then(FEEDBACK.index(name) + 1) for name, rule in holds.items()]
    return pl.coalesce(*codes, pl.lit(1)).cast(pl.Int8)


def last_events_of_day(events: pl.LazyFrame, length: int) -> pl.DataFrame:
    """Return the last `length` events of each user among one day's events, flat and sorted."""
    ratio = buckets.ratio_bucket(pl.col("watch_ms"), pl.col("duration_ms")).cast(pl.Int8)
    context = context_names(events.collect_schema())
    rows = events.select(*_ORDER, *FIELDS[1:], *context, feedback=feedback_code(), ratio_bucket=ratio)
    return _last(rows.collect(engine="streaming"), length)


def build_history(
    days: Sequence[Path], day: dt.date, timezone: str, length: int, users: pl.Expr = EVERY
) -> pl.DataFrame:
    """Return the history table as it stood before `day` began.

    Args:
        days: files of `last_events_of_day`, one per arrival day in the lookback.
        day: the day whose rows will read it.
        timezone: of the source.
        length: events kept per user.
        users: filter of those that are wanted.
    """
    midnight = midnight_ms(day, timezone)
    wanted = users & (pl.col("known_at_ms") <= midnight)
    scans = [pl.scan_parquet(path, hive_partitioning=False).filter(wanted) for path in days]
    rows = _last(pl.concat(scans).collect(engine="streaming"), length) if scans else _empty()
    gap = buckets.gap_bucket(midnight - pl.col("event_time_ms")).cast(pl.Int8)
    rows = rows.with_columns(gap_bucket=gap).drop("known_at_ms")
    return rows.group_by("user_id", maintain_order=True).agg(pl.all())


def _last(rows: pl.DataFrame, length: int) -> pl.DataFrame:
    ordered = rows.sort(*_ORDER, *(name for name in rows.columns if name not in _ORDER))
    from_the_end = pl.int_range(pl.len(), 0, -1).over("user_id")
    return ordered.filter(from_the_end <= length)


def _empty() -> pl.DataFrame:
    schema: dict[str, pl.DataType] = dict.fromkeys(_ORDER, pl.Int64())
    schema |= {"author_id": pl.Int64(), "tag": pl.String(), "scene": pl.Int16()}
    return pl.DataFrame(schema=schema | {"feedback": pl.Int8(), "ratio_bucket": pl.Int8()})
