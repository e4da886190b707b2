"""Impressions of one arrival day joined with what the catalogue says of their videos: the base of every feature."""

import datetime as dt
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from tasks.core import labels
from tasks.core.days import midnight_ms
from tasks.core.errors import ContractError
from tasks.features import buckets

FIXED_POINT = 1_000_000
"""Ratios and percentiles are summed as integers of this unit: float sums differ from run to run."""


@dataclass(frozen=True)
class Sources:
    """Where the inputs of one partition lie.

    Attributes:
        impressions: the part.parquet of the arrival day.
        users: users side table.
        videos: videos side table.
        timezone: of the source; days begin at its local midnight.
    """

    impressions: Path
    users: Path
    videos: Path
    timezone: str

    @property
    def files(self) -> tuple[Path, ...]:
        """All of them."""
        return self.impressions, self.users, self.videos


def usable(duration_ms: str = "duration_ms") -> pl.Expr:
    """Tell rows whose video has a length: the others are neither examples nor history."""
    return pl.col(duration_ms) > 0


def scan_events(impressions: Path, videos: Path) -> pl.LazyFrame:
    """Scan one arrival day with author, music, tag, duration bucket and complete labels.

    The duration is the logged one, else the catalogue's; rows without any are dropped (and counted in the manifest).
    """
    catalogue = pl.scan_parquet(videos).select(
        "video_id", "author_id", "music_id", "tag", catalogue_ms=pl.col("duration_ms")
    )
    rows = pl.scan_parquet(impressions, hive_partitioning=False)
    joined = rows.join(catalogue, on="video_id", how="left", maintain_order="left")
    logged = pl.when(usable()).then(pl.col("duration_ms"))
    known = joined.with_columns(duration_ms=pl.coalesce(logged, pl.col("catalogue_ms"))).drop("catalogue_ms")
    return labels.with_labels(known.filter(usable())).with_columns(
        duration_bucket=buckets.duration_bucket(pl.col("duration_ms"))
    )


def with_measures(events: pl.LazyFrame, percentiles: pl.LazyFrame) -> pl.LazyFrame:
    """Add the integers that are summed: truncated watch, its ratio to the duration, its percentile in the bucket."""
    watch = labels.truncated_watch()
    return events.with_columns(watch=watch, ratio=watch * FIXED_POINT // pl.col("duration_ms")).join(
        percentiles, on=["duration_bucket", "watch"], how="left"
    )


def watch_percentiles(events: pl.LazyFrame) -> pl.DataFrame:
    """Return the mid-rank ECDF of one day's truncated watch time within each duration bucket, in fixed point.

    Columns: duration_bucket, watch (ms), percentile = (share below + share not above) / 2.
    """
    counts = (
        events.select("duration_bucket", watch=labels.truncated_watch())
        .group_by("duration_bucket", "watch")
        .agg(n=pl.len().cast(pl.Int64))
        .collect(engine="streaming")
        .sort("duration_bucket", "watch")
    )
    up_to, total = pl.col("n").cum_sum().over("duration_bucket"), pl.col("n").sum().over("duration_bucket")
    percentile = (2 * up_to - pl.col("n")) * FIXED_POINT // (2 * total)
    return counts.select("duration_bucket", "watch", percentile=percentile)


def event_day(timezone: str) -> pl.Expr:
    """Return the local day of the event."""
    return buckets.local_time(pl.col("event_time_ms"), timezone).dt.date()


def check_known(impressions: Path, arrival: dt.date, timezone: str) -> None:
    """Check that every row was known when its arrival day ended: features of the next day rely on it.

    Raises:
        ContractError: naming the partition and how many rows break the rule.
    """
    end = midnight_ms(arrival + dt.timedelta(days=1), timezone)
    late = pl.scan_parquet(impressions, hive_partitioning=False).filter(pl.col("known_at_ms") > end)
    count = late.select(pl.len()).collect(engine="streaming").item()
    if count:
        raise ContractError(
            f"{impressions}: {count} rows have known_at_ms after the end of their arrival day {arrival} ({timezone}); "
            "a row belongs to the partition of the day it became known: fix the source's known-at rule and ingest again"
        )
