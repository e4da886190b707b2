"""Validate one day: every row goes either to the partition or to quarantine, and the manifest counts both."""

import datetime as dt
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from tasks.core.contract import KEY
from tasks.core.errors import ContractError
from tasks.core.files import hash_value, writing
from tasks.core.layout import partition
from tasks.core.partition_cache import MANIFEST, Manifest, making, stored
from tasks.core.remote import Files
from tasks.validate import profile
from tasks.validate.chunks import ParquetSink, read_whole_groups
from tasks.validate.code import versions
from tasks.validate.config import RowRulesConfig
from tasks.validate.duplicates import arrived_before, key_order_broken, mark, nothing_before
from tasks.validate.raw import Raw, reading
from tasks.validate.row_rules import RowContext, split


@dataclass(frozen=True)
class DayTask:
    """All that the validated partition of one day is a function of."""

    day: dt.date
    part: Path
    context: RowContext
    part_before: Path | None
    context_before: RowContext | None
    key: str


def plan(raw: Raw, config: RowRulesConfig) -> list[DayTask]:
    """Return one task per day; its key changes with the day, the day before, the rules and the code."""
    contexts = {day: _context(raw, day, config) for day in raw.days}
    tasks = []
    for before, day in zip((None, *raw.days), raw.days, strict=False):
        inputs = [_fingerprint(raw, d, contexts[d]) for d in (day, before) if d is not None]
        tasks.append(
            DayTask(
                day=day,
                part=raw.part(day),
                context=contexts[day],
                part_before=None if before is None else raw.part(before),
                context_before=None if before is None else contexts[before],
                key=hash_value({"inputs": inputs, "config": config.model_dump(mode="json"), "code": versions()}),
            )
        )
    return tasks


def stored_manifest(folder: Path, task: DayTask) -> Manifest | None:
    """Return the manifest of a stored partition that was made by the same task, or None."""
    parts = [partition(folder / table, task.day) for table in ("impressions", "quarantine")]
    return stored(partition(folder / "impressions", task.day, MANIFEST), task.key, *parts)


def files_of(task: DayTask, folder: Path) -> Files:
    """Return what `validate_day` reads and writes."""
    written = (partition(folder / table, task.day).parent for table in ("impressions", "quarantine"))
    return Files((task.part, *([task.part_before] if task.part_before else [])), tuple(written))


def validate_day(task: DayTask, folder: Path) -> Manifest:
    """Write impressions/day=D and quarantine/day=D below `folder`; return the manifest.

    Raises:
        SourceError: if the raw file is damaged.
        ContractError: if its rows are not in key order.
        StorageError: if the disk is full or the folder cannot be written.
    """
    before = _arrived_before(task)
    counts = _Counts()
    kept_folder, quarantine_folder = (
        partition(folder / table, task.day).parent for table in ("impressions", "quarantine")
    )
    with (
        making(kept_folder, task.day, task.key) as (kept_path, manifest),
        writing(quarantine_folder) as quarantine_path,
    ):
        quarantine_path.mkdir()
        schema = pl.read_parquet_schema(task.part)
        extended = pl.Schema({**schema, "reason": pl.String(), "reasons": pl.List(pl.String())})
        with (
            ParquetSink(kept_path / "part.parquet", pl.Schema(schema)) as kept,
            ParquetSink(quarantine_path / "part.parquet", extended) as quarantine,
        ):
            for chunk in read_whole_groups(task.part, "event_time_ms"):
                if key_order_broken(chunk):
                    raise ContractError(
                        f"{task.part}: rows must be sorted by event time, user and video: run ingest again"
                    )
                sound, broken = split(mark(chunk, task.context, before), task.context)
                kept.write(sound)
                quarantine.write(broken)
                counts.add(chunk, sound, broken, task.context)
        manifest |= counts.manifest(task)
        if manifest["rows_in"] != kept.rows + quarantine.rows:
            raise AssertionError(f"{task.day}: {manifest['rows_in']} rows in, {kept.rows} + {quarantine.rows} out")
    return manifest


class _Counts:
    """Whole numbers of a day, gathered chunk by chunk."""

    def __init__(self) -> None:
        self.rows = {"rows_in": 0, "rows_out": 0, "rows_quarantined": 0}
        self.tables: profile.Histograms = {}
        self.histograms: profile.Histograms = {}
        self.magnitudes: profile.Histograms = {}
        self.distinct_times = 0

    def add(self, chunk: pl.DataFrame, sound: pl.DataFrame, broken: pl.DataFrame, context: RowContext) -> None:
        self.rows = profile.add(
            self.rows, {"rows_in": chunk.height, "rows_out": sound.height, "rows_quarantined": broken.height}
        )
        tables = {
            "quarantined": profile.reason_counts(broken),
            "notes": profile.note_counts(chunk, context),
            "nulls_in": profile.null_counts(chunk),
            "nulls_out": profile.null_counts(sound),
            "totals": {name: int(sound[name].cast(pl.Int128).sum()) for name in ("watch_ms", "duration_ms")},
        }
        self.tables = profile.add_histograms([self.tables, tables])
        self.histograms = profile.add_histograms([self.histograms, profile.histograms(sound)])
        self.magnitudes = profile.add_histograms([self.magnitudes, profile.magnitudes(chunk)])
        self.distinct_times += chunk["event_time_ms"].n_unique()

    def manifest(self, task: DayTask) -> Manifest:
        return {
            **self.rows,
            **self.tables,
            "histograms": self.histograms,
            "magnitudes": self.magnitudes,
            "distinct": {"event_time_ms": self.distinct_times, **_distinct_ids(task.part)},
            "start_ms": task.context.start_ms,
            "end_ms": task.context.end_ms,
        }


def _distinct_ids(part: Path) -> dict[str, int]:
    with reading(part):
        ids = pl.scan_parquet(part).select(pl.col("user_id", "video_id").n_unique()).collect(engine="streaming")
    return {name: int(count) for name, count in ids.row(0, named=True).items()}


def _context(raw: Raw, day: dt.date, config: RowRulesConfig) -> RowContext:
    start, end = raw.bounds(day)
    nobody = pl.Series(dtype=pl.Int64)
    users = nobody if "missing_user" in config.off else _absent(raw.part(day), "user_id", raw.table("users"))
    videos = nobody if "missing_video" in config.off else _absent(raw.part(day), "video_id", raw.table("videos"))
    return RowContext(config, start, end, users, videos)


def _absent(part: Path, column: str, table: Path) -> pl.Series:
    """Return the ids of a day that the side table does not hold, sorted."""
    with reading(part):
        ids = pl.scan_parquet(part).select(pl.col(column).drop_nulls().unique()).collect(engine="streaming")
    with reading(table):
        known = (
            pl.scan_parquet(table).select(column).join(ids.lazy(), on=column, how="semi").collect(engine="streaming")
        )
    return ids.join(known, on=column, how="anti")[column].sort()


def _fingerprint(raw: Raw, day: dt.date, context: RowContext) -> dict[str, Any]:
    """Return what a partition takes from one day. Of the side tables that is only which ids they lack."""
    return {
        "raw": raw.hashes[day],
        "bounds": raw.bounds(day),
        "missing_users": hash_value(context.missing_users.to_list()),
        "missing_videos": hash_value(context.missing_videos.to_list()),
    }


def _arrived_before(task: DayTask) -> pl.DataFrame:
    if task.part_before is None or task.context_before is None:
        return nothing_before()
    late = pl.col("event_time_ms") <= task.context.start_ms
    with reading(task.part):
        keys = pl.scan_parquet(task.part).filter(late).select(KEY).unique().collect(engine="streaming")
    with reading(task.part_before):
        return arrived_before(keys, pl.scan_parquet(task.part_before), task.context_before)
