"""First partition function: integer sums of one arrival day per key group, and each user's last events of that day."""

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import polars as pl

from tasks.core.files import hash_file, hash_value
from tasks.core.partition_cache import MANIFEST, Manifest, making, stored
from tasks.core.remote import Files
from tasks.features import events, history, recency
from tasks.features.config import FeatureConfig, FeatureGroup, Statistic
from tasks.features.partitions import ROW_GROUP, Built, code_key, count_rows, slice_hash, write_parts
from tasks.features.ranges import BY_USER, ranges_of_files

UNIT: Mapping[Statistic, int] = {"ratio": events.FIXED_POINT, "percentile": events.FIXED_POINT, "watch": 1_000}
"""Integers per unit of a statistic (ratio 1, rank 1, one second); flags count 1."""
HISTORY_FILE = "last_events.parquet"
NEWEST_FILE = "newest.event.parquet"
"""With a dot, that no group can be called so."""


@dataclass(frozen=True)
class DailyTask:
    """One arrival day to aggregate into `folder`."""

    day: dt.date
    sources: events.Sources
    config: FeatureConfig
    folder: Path


def daily_files(task: DailyTask) -> Files:
    """Return what `build_daily` reads and writes."""
    return Files(task.sources.files, (task.folder,))


def build_daily(task: DailyTask) -> Built:
    """Write the sums of one arrival day, unless they are there already."""
    inputs = _inputs(task)
    key = hash_value(inputs)
    found = stored(task.folder / MANIFEST, key)
    manifest = _made(task, inputs, key) if found is None else found
    return Built(task.day, key, tuple(map(dt.date.fromisoformat, manifest["event_days"])), reused=found is not None)


def _made(task: DailyTask, inputs: dict[str, Any], key: str) -> Manifest:
    events.check_known(task.sources.impressions, task.day, task.sources.timezone)
    with making(task.folder, task.day, key) as (temporary, manifest):
        manifest |= {"inputs": inputs, **_write_sums(task, temporary)}
    return manifest


def _inputs(task: DailyTask) -> dict[str, Any]:
    shown = pl.scan_parquet(task.sources.impressions, hive_partitioning=False).select("video_id").unique()
    catalogue = pl.scan_parquet(task.sources.videos).select("video_id", "author_id", "music_id", "tag", "duration_ms")
    config = task.config
    return {
        "impressions": hash_file(task.sources.impressions),
        "videos": slice_hash(catalogue, shown, "video_id"),
        "timezone": task.sources.timezone,
        "config": hash_value([daily_groups(config), config.tags, config.history_length]),
        "code": code_key(),
    }


def daily_groups(config: FeatureConfig) -> dict[str, list[Sequence[str]]]:
    """Return the part of the groups that daily sums depend on: name -> keys, statistics and recency."""
    return {
        name: [group.keys, group.statistics, *([group.recency] if group.recency else [])]
        for name, group in config.groups.items()
    }


@dataclass(frozen=True)
class _Events:
    """The events of a day, or of some of its users.

    Attributes:
        measured: impressions with their measures.
        distinct: distinct events, where a group asks for recency.
    """

    measured: pl.LazyFrame
    distinct: pl.LazyFrame | None


def _write_sums(task: DailyTask, folder: Path) -> dict[str, Any]:
    """Write one file per group into `folder`; return counts, totals and event days for the manifest."""
    groups = task.config.groups
    statistics = sorted({statistic for group in groups.values() for statistic in group.statistics})
    with TemporaryDirectory(dir=folder) as scratch:
        parts = _parts(task, Path(scratch))
        distinct = [part.distinct for part in parts if part.distinct is not None]
        whole = _Events(pl.concat(part.measured for part in parts), pl.concat(distinct) if distinct else None)

        def sums(group: FeatureGroup) -> Iterator[pl.DataFrame]:
            for rows in parts if "user_id" in group.keys else [whole]:
                found = group_sums(rows.measured, group, task.config.tags, rows.distinct)
                yield found.collect(engine="streaming").sort(group.keys)

        for name, group in groups.items():
            write_parts(sums(group), folder / f"{name}.parquet")
        if distinct:
            write_parts(map(recency.last_of_day, distinct), folder / NEWEST_FILE)
        length = task.config.history_length
        write_parts((history.last_events_of_day(part.measured, length) for part in parts), folder / HISTORY_FILE)
        totals = whole.measured.select(
            pl.len().cast(pl.Int64).alias("n"), *(_sum(statistic) for statistic in statistics)
        )
        total = totals.collect(engine="streaming").row(0, named=True)
        days = whole.measured.select(events.event_day(task.sources.timezone)).unique().collect(engine="streaming")
    rows_in = count_rows(task.sources.impressions)
    return {
        "rows_in": rows_in,
        "rows_out": total["n"],
        "dropped": {"no_duration": rows_in - total["n"]},
        "totals": total,
        "event_days": [day.isoformat() for day in days.to_series().sort()],
    }


def _parts(task: DailyTask, scratch: Path) -> list[_Events]:
    """Write a day's events with their measures, range by range of users, and below them what is distinct of each; read them back.

    Every group then reads the few columns it needs; one plan for all groups holds the whole day in memory.
    """
    scanned = events.scan_events(task.sources.impressions, task.sources.videos)
    measured = events.with_measures(scanned, events.watch_percentiles(scanned).lazy())
    inside = ranges_of_files([task.sources.impressions], scanned, BY_USER)
    where: Path | pl.PartitionBy = scratch / "part=0/rows.parquet"
    if len(inside) > 1:
        part = pl.coalesce(pl.when(some).then(number) for number, some in enumerate(inside))
        where = pl.PartitionBy(scratch, key=part.alias("part"), include_key=False)
    measured.sink_parquet(where, compression="lz4", row_group_size=ROW_GROUP, mkdir=True, engine="streaming")
    return [_events_of(scratch / f"part={number}", task.config.has_recency) for number in range(len(inside))]


def _events_of(folder: Path, has_recency: bool) -> _Events:
    measured = pl.scan_parquet(folder, hive_partitioning=False)
    if not has_recency:
        return _Events(measured, None)
    file = folder.with_suffix(".distinct")
    recency.events(measured).sink_parquet(file, compression="lz4", engine="streaming")
    return _Events(measured, pl.scan_parquet(file, hive_partitioning=False))


def group_sums(
    measured: pl.LazyFrame, group: FeatureGroup, tags: str, found: pl.LazyFrame | None = None
) -> pl.LazyFrame:
    """Return count and integer sums per key of one group; impressions with an unknown key are left out.

    Args:
        measured: impressions with their measures.
        group: keys, statistics and recency.
        tags: whether a list of tags is one key.
        found: distinct events, where the group asks for recency.
    """
    sums = [_sum(statistic) for statistic in group.statistics]
    table = _keyed(measured, group, tags).group_by(group.keys).agg(pl.len().cast(pl.Int64).alias("n"), *sums)
    if not group.recency or found is None:
        return table
    return table.join(recency.of_day(_keyed(found, group, tags), group), on=list(group.keys), how="left")


def _keyed(rows: pl.LazyFrame, group: FeatureGroup, tags: str) -> pl.LazyFrame:
    """Return rows whose keys are known, once per key: a tag list may count for each of its tags."""
    known = rows.filter(pl.all_horizontal(pl.col(key).is_not_null() for key in group.keys))
    if "tag" not in group.keys or tags != "each":
        return known
    return known.with_columns(pl.col("tag").str.split(",").list.unique(maintain_order=True)).explode("tag")


def _sum(statistic: str) -> pl.Expr:
    return pl.col(statistic).cast(pl.Int64).sum()
