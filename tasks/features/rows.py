"""Third partition function: the examples of one arrival day, each joined with the state of its event day."""

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow.parquet as pq

from tasks.core.contract import CONTENT_VECTOR, context_names
from tasks.core.days import midnight_ms
from tasks.core.files import hash_file, hash_value
from tasks.core.layout import partition
from tasks.core.partition_cache import MANIFEST, making, stored
from tasks.core.remote import Files
from tasks.features import events
from tasks.features.config import FeatureConfig
from tasks.features.join import State, join_features
from tasks.features.partitions import ROW_GROUP, Built, as_arrow, code_key, count_rows, slice_hash
from tasks.features.ranges import BY_TIME, ranges_of_files
from tasks.features.schema import row_columns

ORDER = ("event_time_ms", "user_id", "video_id", "known_at_ms")


@dataclass(frozen=True)
class RowsTask:
    """One arrival day of examples.

    Attributes:
        day: arrival day.
        sources: its inputs.
        states: event day -> the day before whose start its features stop looking, and that state's key.
        config: features.
        features: folder of the stage; states are read below it, rows written.
    """

    day: dt.date
    sources: events.Sources
    states: Mapping[dt.date, tuple[dt.date, str]]
    config: FeatureConfig
    features: Path

    @property
    def folder(self) -> Path:
        return self.features / "rows" / f"day={self.day.isoformat()}"


def rows_files(task: RowsTask) -> Files:
    """Return what `build_rows` reads and writes."""
    days = {state for state, _ in task.states.values()} or {task.day}
    states = (partition(task.features / "state", day).parent for day in sorted(days))
    return Files((*task.sources.files, *states), (task.folder,))


def build_rows(task: RowsTask) -> Built:
    """Write the examples of one arrival day, unless they are there already."""
    inputs = _inputs(task)
    key = hash_value(inputs)
    if stored(task.folder / MANIFEST, key) is not None:
        return Built(task.day, key, reused=True, rows=count_rows(task.folder / "part.parquet"))
    with making(task.folder, task.day, key) as (temporary, manifest):
        rows_out = _write_blocks(task, temporary / "part.parquet")
        rows_in = count_rows(task.sources.impressions)
        manifest |= {"inputs": inputs, "rows_in": rows_in, "rows_out": rows_out}
        manifest["dropped"] = {"no_duration": rows_in - rows_out}
    return Built(task.day, key, rows=rows_out)


def _write_blocks(task: RowsTask, part: Path) -> int:
    """Write the examples block by block: all features of a whole day at once would take kilobytes per row."""
    scanned = events.scan_events(task.sources.impressions, task.sources.videos)
    rows = scanned.with_columns(event_day=events.event_day(task.sources.timezone), arrival_day=pl.lit(task.day))
    users, videos = (list(pl.read_parquet_schema(file)) for file in (task.sources.users, task.sources.videos))
    columns = row_columns(task.config, users, videos, context_names(rows.collect_schema()))
    written = 0
    with ExitStack() as stack:
        writer = None
        for block in _blocks(task, rows):
            table = as_arrow(block.select(columns).collect(engine="streaming"))
            if writer is None:
                writer = stack.enter_context(pq.ParquetWriter(part, table.schema, compression="zstd"))
            writer.write_table(table, row_group_size=ROW_GROUP)
            written += table.num_rows
    return written


def _blocks(task: RowsTask, rows: pl.LazyFrame) -> Iterator[pl.LazyFrame]:
    """Yield plans for consecutive blocks of a day's rows with their features; one empty plan if there are no rows.

    State days ascend with event time, so taking one after the other keeps the order.
    """
    for state_day in sorted({day for day, _ in task.states.values()}) or [task.day]:
        event_days = [day for day, (state, _) in task.states.items() if state == state_day] or [task.day]
        begin_ms, end_ms = (
            midnight_ms(day, task.sources.timezone) for day in (min(event_days), max(event_days) + dt.timedelta(days=1))
        )
        # by time and not by its day: Parquet is then read where it holds such times alone
        mine = rows.filter(pl.col("event_time_ms").is_between(begin_ms, end_ms, closed="left"))
        for some in _whole_blocks(mine, ranges_of_files([task.sources.impressions], mine, BY_TIME)):
            state = State.scan(task.features, state_day, task.config).restricted_to(some, task.config)
            for start in range(0, max(some.height, 1), ROW_GROUP):
                block = some.slice(start, ROW_GROUP).drop("author_id", "music_id", "tag", "duration_bucket")
                yield join_features(block.lazy(), state, task.config, task.sources.timezone)


def _whole_blocks(rows: pl.LazyFrame, parts: Sequence[pl.Expr]) -> Iterator[pl.DataFrame]:
    """Yield rows in their order, those of ascending ranges one after the other; only the last may end within a block."""
    rest = rows.clear().collect()
    *before, last = parts
    for inside in before:
        some = pl.concat([rest, _sorted(rows.filter(inside))])
        whole = some.height // ROW_GROUP * ROW_GROUP
        rest = some.slice(whole)
        if whole:
            yield some.slice(0, whole)
    yield pl.concat([rest, _sorted(rows.filter(last))])


def _sorted(rows: pl.LazyFrame) -> pl.DataFrame:
    return rows.collect(engine="streaming").sort(*ORDER, maintain_order=True)


def _inputs(task: RowsTask) -> dict[str, Any]:
    shown = pl.scan_parquet(task.sources.impressions, hive_partitioning=False)
    users, videos = pl.scan_parquet(task.sources.users), pl.scan_parquet(task.sources.videos)
    videos = videos.drop(CONTENT_VECTOR, strict=False)  # rows do not hold it
    return {
        "impressions": hash_file(task.sources.impressions),
        "users": slice_hash(users, shown.select("user_id").unique(), "user_id"),
        "videos": slice_hash(videos, shown.select("video_id").unique(), "video_id"),
        "states": sorted([day.isoformat(), state.isoformat(), key] for day, (state, key) in task.states.items()),
        "timezone": task.sources.timezone,
        "config": hash_value(task.config.model_dump()),
        "code": code_key(),
    }
