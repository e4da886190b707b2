"""The point-in-time join: any pairs of user and video with the state before a day. Rows and candidates share it."""

import datetime as dt
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl

from tasks.core.days import DAY_MS, HOUR_MS
from tasks.core.errors import SourceError
from tasks.core.files import read_json
from tasks.core.layout import partition, partition_days
from tasks.features import buckets, recency
from tasks.features.config import FeatureConfig
from tasks.features.state import ABSENT_FILE, POPULARITY_FILE, column_names, pairs_users

_CATALOGUE_MS, _USER_IS_KNOWN = "_catalogue_ms", "_user_is_known"
HELPERS = (_CATALOGUE_MS, _USER_IS_KNOWN)
"""Columns that rows have while they are joined."""


@dataclass(frozen=True)
class State:
    """What the features of a day may know: the side tables, and the state before the day began.

    Attributes:
        day: day before whose start it stops looking.
        users: categorical columns per user_id.
        videos: the catalogue.
        groups: aggregates per key group, by the group's name.
        popularity: impressions of the last days per video_id.
        absent: what a dense column holds for a key that was not seen.
    """

    day: dt.date
    users: pl.LazyFrame
    videos: pl.LazyFrame
    groups: Mapping[str, pl.LazyFrame]
    popularity: pl.LazyFrame
    absent: Mapping[str, float]

    @classmethod
    def scan(cls, features: Path, day: dt.date, config: FeatureConfig) -> "State":
        """Open the state of a day.

        Raises:
            SourceError: if no state was built for that day.
        """
        folder = partition(features / "state", day).parent
        if not folder.is_dir():
            have = ", ".join(day.isoformat() for day in partition_days(features / "state"))
            raise SourceError(f"{features / 'state'} holds no state for {day}: run the features stage (it has {have})")
        users, videos = pl.scan_parquet(features / "users.parquet"), pl.scan_parquet(features / "videos.parquet")
        groups = {name: _scan(folder / f"{name}.parquet") for name in config.groups}
        return cls(day, users, videos, groups, _scan(folder / POPULARITY_FILE), read_json(folder / ABSENT_FILE))

    def of_users(self, rows: pl.LazyFrame, config: FeatureConfig) -> "State":
        """Leave out, when it is read, what is known of pairs with other users than those of some rows."""
        users = rows.select("user_id").unique()
        groups = {
            name: table.join(users, on="user_id", how="semi") if pairs_users(config.groups[name]) else table
            for name, table in self.groups.items()
        }
        return replace(self, groups=groups)

    def restricted_to(self, rows: pl.DataFrame, config: FeatureConfig) -> "State":
        """Load the part that some rows need into memory.

        Args:
            rows: every key column of the groups.
            config: features.
        """

        def needed(table: pl.LazyFrame, keys: Sequence[str]) -> pl.LazyFrame:
            wanted = rows.lazy().select(keys).unique()
            return table.join(wanted, on=list(keys), how="semi").collect(engine="streaming").lazy()

        return State(
            self.day,
            needed(self.users, ["user_id"]),
            needed(self.videos, ["video_id"]),
            {name: needed(table, config.groups[name].keys) for name, table in self.groups.items()},
            needed(self.popularity, ["video_id"]),
            self.absent,
        )


def _scan(path: Path) -> pl.LazyFrame:
    return pl.scan_parquet(path, hive_partitioning=False)


def join_features(rows: pl.LazyFrame, state: State, config: FeatureConfig, timezone: str) -> pl.LazyFrame:
    """Add every feature column to rows, in their order.

    Args:
        rows: user_id, video_id, scene, event_time_ms; duration_ms where it is known better than by the catalogue
            (null: the catalogue's); known_at_ms if the hour feature is that of logging.
        state: what is known.
        config: features.
        timezone: of the source.
    """
    catalogue = state.videos.rename({"duration_ms": _CATALOGUE_MS})
    joined = rows.join(catalogue, on="video_id", how="left", maintain_order="left")
    joined = joined.join(state.users, on="user_id", how="left", maintain_order="left")
    joined = joined.with_columns(duration_ms=pl.coalesce("duration_ms", _CATALOGUE_MS), state_day=pl.lit(state.day))
    return _with_state(_with_context(joined.drop(_CATALOGUE_MS), config, timezone), state, config)


def _with_state(rows: pl.LazyFrame, state: State, config: FeatureConfig) -> pl.LazyFrame:
    """Add the aggregates, popularity and new-id flags."""
    for name, group in config.groups.items():
        table = state.groups[name]
        if name == "user":
            table = table.with_columns(pl.lit(1, dtype=pl.Int8).alias(_USER_IS_KNOWN))
        rows = rows.join(table, on=list(group.keys), how="left", maintain_order="left")
        columns = column_names(name, group)
        rows = rows.with_columns(pl.col(c).fill_null(pl.lit(state.absent[c], dtype=pl.Float32)) for c in columns)
        rows = rows.with_columns(pl.col(code).fill_null(0) for code in recency.code_columns(name, group))
    rows = rows.join(state.popularity, on="video_id", how="left", maintain_order="left")
    return rows.with_columns(
        is_new_user=pl.col(_USER_IS_KNOWN).is_null().cast(pl.Int8),
        is_new_video=pl.col("popularity").is_null().cast(pl.Int8),
        popularity=pl.col("popularity").fill_null(0),
    ).drop(_USER_IS_KNOWN)


def _with_context(rows: pl.LazyFrame, config: FeatureConfig, timezone: str) -> pl.LazyFrame:
    for columns in context_columns(config, timezone):
        rows = rows.with_columns(**columns)
    return rows


def context_columns(config: FeatureConfig, timezone: str) -> tuple[dict[str, pl.Expr], ...]:
    """Return what the row itself tells (hour, weekday, video age, duration) in steps: later ones read columns of earlier ones.

    Args:
        config: features.
        timezone: of the source.
    """
    shown = buckets.local_time(pl.col("event_time_ms"), timezone)
    hour = shown
    if config.hour == "logged":  # known_at is the end of the logging hour
        hour = buckets.local_time(pl.col("known_at_ms") - HOUR_MS, timezone)
    age_ms = pl.col("event_time_ms") - pl.col("upload_time_ms")
    age_days = (age_ms.clip(lower_bound=0) // DAY_MS).fill_null(0)
    turn = pl.col("hour").cast(pl.Float64) * (2 * math.pi / 24)
    return (
        {
            "hour": hour.dt.hour().cast(pl.Int16),
            "day_of_week": shown.dt.weekday().cast(pl.Int16),
            "video_age_bucket": buckets.age_bucket(age_ms),
            "duration_bucket": buckets.duration_bucket(pl.col("duration_ms")),
            "video_age_log": (age_days.log1p() / 5).cast(pl.Float32),
            "duration_log": ((pl.col("duration_ms").fill_null(0) / 1_000).log1p() / 5).cast(pl.Float32),
        },
        {
            "hour_sin": turn.sin().cast(pl.Float32),
            "hour_cos": turn.cos().cast(pl.Float32),
        },
    )
