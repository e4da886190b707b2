"""The dense sums of the features stage as one lazy plan of Polars, as one writes it who knows Polars and has the whole log at hand.

Sums of a day and key, weighed by the day's age into the state of each morning, joined to the rows of that morning.
"""

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from benchmarks.features.log import CARRIED, Log
from tasks.core import labels
from tasks.features import buckets
from tasks.features.config import FeatureGroup, Statistic, Window
from tasks.features.state import label


def write(log: Log, target: Path) -> None:
    """Write the rows of all modelled days into one Parquet file."""
    plan(log).sink_parquet(target, compression="zstd")


def plan(log: Log) -> pl.LazyFrame:
    """Return the plan of the rows."""
    events = _events(log)
    carried = list(dict.fromkeys([*CARRIED, *log.group_keys]))
    rows = events.filter(pl.col("arrival_day").is_in(log.days.modelled)).select(carried)
    mornings = rows.select("state_day").unique()
    weights = log.weights().lazy().join(mornings, on="state_day", how="semi")
    priors = _priors(_weighed(events, [], weights, log.windows, log.statistics), log)
    rows = rows.join(priors, on="state_day", how="left")
    for name, group in log.config.groups.items():
        known = events.drop_nulls(group.keys)
        sums = _weighed(known, group.keys, weights, group.windows, group.statistics)
        state = _state(sums.join(priors, on="state_day"), name, group)
        rows = rows.join(state, on=[*group.keys, "state_day"], how="left").with_columns(_filled(name, group))
    return rows.select(*CARRIED, *log.dense)


def _events(log: Log) -> pl.LazyFrame:
    """Return the impressions of all days with what is summed."""
    catalogue = pl.scan_parquet(log.folder / "videos.parquet").select(
        "video_id", "author_id", "music_id", "tag", catalogue_ms="duration_ms"
    )
    shown = pl.scan_parquet(log.folder / "impressions/*/part.parquet", hive_partitioning=True)
    rows = shown.filter(pl.col("day").is_in(log.days.read)).rename({"day": "arrival_day"})
    logged, length = pl.when(pl.col("duration_ms") > 0).then("duration_ms"), pl.col("duration_ms")
    rows = rows.join(catalogue, on="video_id", how="left").with_columns(duration_ms=pl.coalesce(logged, "catalogue_ms"))
    event_day = buckets.local_time(pl.col("event_time_ms"), log.timezone).dt.date()
    rows = labels.with_labels(rows.filter(length > 0)).with_columns(
        duration_bucket=buckets.duration_bucket(length),
        state_day=pl.min_horizontal(event_day, "arrival_day"),
        watch=labels.truncated_watch(),
    )
    among = ("arrival_day", "duration_bucket")
    percentile = (pl.col("watch").rank("average").over(among) - 0.5) / pl.len().over(among)
    return rows.with_columns(percentile=percentile, ratio=pl.col("watch") / length, watch=pl.col("watch") / 1_000)


def _weighed(
    events: pl.LazyFrame,
    keys: Sequence[str],
    weights: pl.LazyFrame,
    windows: Sequence[Window],
    statistics: Sequence[Statistic],
) -> pl.LazyFrame:
    """Return key, morning -> counts and sums of each window."""
    daily = events.group_by(*keys, "arrival_day").agg(
        pl.len().cast(pl.Float64).alias("n"), *(pl.col(name).cast(pl.Float64).sum() for name in statistics)
    )
    sums = [
        (pl.col(what) * pl.col(label(window))).sum().alias(f"{label(window)}_{what}")
        for window in windows
        for what in ("n", *statistics)
    ]
    of_mornings = daily.join(weights, left_on="arrival_day", right_on="day")
    return (
        of_mornings.select(*keys, "state_day", "n", *statistics, *map(label, windows))
        .group_by(*keys, "state_day")
        .agg(sums)
    )


def _priors(totals: pl.LazyFrame, log: Log) -> pl.LazyFrame:
    """Return morning -> global mean of each window and statistic."""
    means = [
        (pl.col(f"{label(window)}_{name}") / pl.col(f"{label(window)}_n")).alias(f"prior_{label(window)}_{name}")
        for window in log.windows
        for name in log.statistics
    ]
    return totals.select("state_day", *means)


def _state(sums: pl.LazyFrame, name: str, group: FeatureGroup) -> pl.LazyFrame:
    """Return log counts and means that are drawn to the prior."""
    columns, strength = [], group.prior_strength
    for window in map(label, group.windows):
        count = pl.col(f"{window}_n")
        columns.append(count.log1p().cast(pl.Float32).alias(f"{name}_{window}_count"))
        for what in group.statistics:
            mean = (pl.col(f"{window}_{what}") + strength * pl.col(f"prior_{window}_{what}")) / (count + strength)
            columns.append(mean.cast(pl.Float32).alias(f"{name}_{window}_{what}"))
    return sums.select(*group.keys, "state_day", *columns)


def _filled(name: str, group: FeatureGroup) -> list[pl.Expr]:
    """Return what a key holds that was not seen: no impression, and the prior."""
    filled = []
    for window in map(label, group.windows):
        filled.append(pl.col(f"{name}_{window}_count").fill_null(0.0))
        for what in group.statistics:
            prior = pl.col(f"prior_{window}_{what}").cast(pl.Float32)
            filled.append(pl.col(f"{name}_{window}_{what}").fill_null(prior))
    return filled
