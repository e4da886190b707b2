"""Who is scored with what tomorrow: active users, a pool of videos, and the pairs of both in parts."""

import datetime as dt
from collections.abc import Iterator
from pathlib import Path

import polars as pl

from tasks.core.contract import context_names
from tasks.core.days import DAY_MS, midnight_ms
from tasks.core.errors import SourceError
from tasks.core.layout import partition
from tasks.features.state import POPULARITY_FILE, history_file
from tasks.score.config import ScoreConfig


def active_users(features: Path, day: dt.date, timezone: str, active_days: int) -> pl.DataFrame:
    """Return user_id, scene and further context (those of the user's last event) of everybody seen in the days before `day`.

    Raises:
        SourceError: if there is none.
    """
    since = midnight_ms(day, timezone) - active_days * DAY_MS
    history = pl.scan_parquet(history_file(features, day), hive_partitioning=False)
    context = ["scene", *context_names(history.collect_schema())]
    last = history.select("user_id", pl.col(context).list.last(), seen_ms=pl.col("event_time_ms").list.last())
    users = last.filter(pl.col("seen_ms") >= since).select("user_id", *context).sort("user_id").collect()
    if users.is_empty():
        raise SourceError(f"nobody was shown anything in the {active_days} days before {day}: raise score.active_days")
    return users


def video_pool(features: Path, day: dt.date, size: int) -> pl.DataFrame:
    """Return the `size` most shown videos of the trailing days that have a known duration, most shown first.

    Raises:
        SourceError: if there is none.
    """
    shown = pl.scan_parquet(partition(features / "state", day, POPULARITY_FILE), hive_partitioning=False)
    known = pl.scan_parquet(features / "videos.parquet").filter(pl.col("duration_ms") > 0).select("video_id")
    pool = shown.join(known, on="video_id").sort(["popularity", "video_id"], descending=[True, False]).head(size)
    videos = pool.select("video_id").collect()
    if videos.is_empty():
        raise SourceError(
            f"no video with a known duration was shown in the days before {day}: there is nothing to score"
        )
    return videos


def users_at_a_time(config: ScoreConfig, length: int) -> int:
    """Return how many users' pairs are held at a time, where a user is scored with so many videos at most."""
    return max(1, config.chunk_pairs // length)


def proposed_chunks(
    users: pl.DataFrame, proposals: Path, event_time_ms: int, config: ScoreConfig, length: int
) -> Iterator[pl.DataFrame]:
    """Yield the pairs of users with the videos proposed to them, at most `chunk_pairs` (but at least one user) at a time.

    Args:
        users: of `active_users`.
        proposals: user_id and video_id, users in order.
        event_time_ms: when the pairs would be shown.
        config: how many pairs at a time.
        length: videos proposed to a user at most.
    """
    height = users_at_a_time(config, length)
    found = pl.scan_parquet(proposals, hive_partitioning=False).select("user_id", "video_id")
    for begin in range(0, users.height, height):
        some = users[begin : begin + height]
        theirs = found.filter(pl.col("user_id").is_between(some["user_id"][0], some["user_id"][-1])).collect()
        pairs = some.join(theirs, on="user_id", how="inner", maintain_order="left_right")
        if not pairs.is_empty():
            yield pairs.with_columns(event_time_ms=pl.lit(event_time_ms, dtype=pl.Int64))


def pair_chunks(
    users: pl.DataFrame, videos: pl.DataFrame, event_time_ms: int, config: ScoreConfig
) -> Iterator[pl.DataFrame]:
    """Yield the pairs of all users with all videos, at most `chunk_pairs` (but at least one user) at a time."""
    height = users_at_a_time(config, videos.height)
    for begin in range(0, users.height, height):
        some = users[begin : begin + height]
        yield some.join(videos, how="cross").with_columns(event_time_ms=pl.lit(event_time_ms, dtype=pl.Int64))
