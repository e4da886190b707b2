"""Deal the rows of a log at random onto ten days, so that a protocol with a random split runs as one of days.

Published tables on KuaiRec and WeChat21 use random 80/10/10 splits. dwell splits by days; a assigned log has eight days to
fit on, one to stop and calibrate on, one to judge. Times mean nothing in it: no feature of the past may be read from it.
"""

import datetime as dt
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from tasks.core.days import DAY_MS

FIRST_DAY = dt.date(2030, 1, 1)
"""Of the assigned days, which are after anything that a log or a catalogue names."""
NUM_DAYS = 10
LONGEST_RATIO = 10
_FIRST_MS = int(dt.datetime(FIRST_DAY.year, FIRST_DAY.month, FIRST_DAY.day, tzinfo=dt.UTC).timestamp()) * 1000


@dataclass(frozen=True)
class Log:
    """A log before it is assigned.

    Attributes:
        impressions: user_id, video_id, duration_ms, watch_ms, scene and flags, in an order that the files decide.
        users: user_id and categories.
        videos: columns of the contract and categories.
    """

    impressions: pl.DataFrame
    users: pl.DataFrame
    videos: pl.DataFrame


def played(impressions: pl.LazyFrame) -> pl.LazyFrame:
    """Return the rows that were played at all, for less than ten durations of a video that has one."""
    watch, duration = pl.col("watch_ms"), pl.col("duration_ms")
    return impressions.filter((watch > 0) & (duration > 0) & (watch < LONGEST_RATIO * duration))


def assign_days(impressions: pl.DataFrame, seed: int) -> pl.DataFrame:
    """Give every row a time of its own, equally many on each of the days.

    Args:
        impressions: at least one row for each day.
        seed: of the permutation.

    Raises:
        ValueError: if there are fewer rows than days.
    """
    if impressions.height < NUM_DAYS:
        raise ValueError(f"{impressions.height} rows cannot be assigned onto {NUM_DAYS} days")
    place = np.random.default_rng(seed).permutation(impressions.height).astype(np.int64)
    time_ms = _FIRST_MS + 1 + place * (NUM_DAYS * DAY_MS) // impressions.height
    return impressions.with_columns(event_time_ms=time_ms).sort("event_time_ms")


def write(log: Log, seed: int, out: Path) -> None:
    """Write a assigned log as the three Parquet files that the protocols of `benchmarks/*_random` read."""
    out.mkdir(parents=True, exist_ok=True)
    assign_days(log.impressions, seed).write_parquet(out / "impressions.parquet")
    log.users.write_parquet(out / "users.parquet")
    log.videos.write_parquet(out / "videos.parquet")
