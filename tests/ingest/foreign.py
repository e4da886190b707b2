"""A small log of nobody's layout, to be written in other ways one column at a time."""

import datetime as dt
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl
from pydantic import TypeAdapter

from tasks.core.days import Days
from tasks.ingest.config import SourceConfig, TableSourceConfig

ZONE = "Asia/Shanghai"
FIRST = dt.date(2024, 3, 1)
NIGHT = Days.of_night(FIRST + dt.timedelta(days=5), 2, 2)
PER_DAY = 40
COLUMNS: dict[str, Any] = {
    "user_id": "uid",
    "video_id": "vid",
    "event_time_ms": "ts",
    "watch_ms": "play",
    "duration_ms": "dur",
    "scene": "tab",
    "like": "like",
}


def log(days: int = 6) -> pl.DataFrame:
    """Return a log with times in milliseconds, `PER_DAY` rows a day from nine in the morning on."""
    start = int(dt.datetime.combine(FIRST, dt.time(9), ZoneInfo(ZONE)).timestamp()) * 1000
    row = pl.int_range(days * PER_DAY)
    return pl.select(
        uid=row % 7,
        vid=100 + row % 11,
        ts=start + row // PER_DAY * 86_400_000 + row % PER_DAY * 600_000 + 250,
        play=row % 9 * 1000 + 500,
        dur=10_000 + row % 11 * 1000,
        tab=row % 3,
        like=row % 2,
    )


def source(folder: Path, **changes: Any) -> TableSourceConfig:
    """Return the configuration of such a log; `changes` are keys of impressions, and `users`, `videos`, `traits`, `columns`."""
    tables = {name: changes.pop(name) for name in ("users", "videos", "traits") if name in changes}
    columns = COLUMNS | changes.pop("columns", {})
    impressions = {"files": "log*", "columns": columns} | changes
    value = {"kind": "table", "path": str(folder), "timezone": ZONE, "impressions": impressions, **tables}
    config = TypeAdapter(SourceConfig).validate_python(value)
    assert isinstance(config, TableSourceConfig)
    return config


def rows_of(out: Path) -> pl.DataFrame:
    """Return the impressions that ingest wrote."""
    return pl.read_parquet(out / "impressions/*/part.parquet", hive_partitioning=False)
