"""What the partition functions share: the re-use key, stable Parquet files, and the result they return."""

import datetime as dt
import hashlib
import io
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from tasks.core.manifest import code_hash

ROW_GROUP = 65_536
"""Rows per Parquet row group, and per block of examples that is joined at a time."""


@dataclass(frozen=True)
class Built:
    """One partition that stands.

    Attributes:
        day: its day.
        key: hash of everything it was made from.
        event_days: local days of the events in it (daily partitions only).
        reused: whether it stood already.
        rows: rows in it (row partitions only).
    """

    day: dt.date
    key: str
    event_days: tuple[dt.date, ...] = ()
    reused: bool = False
    rows: int = 0


def code_key() -> str:
    """Return the hash of the code that features depend on."""
    return code_hash("features", "core/partition_cache")


def slice_hash(table: pl.LazyFrame, wanted: pl.LazyFrame, key: str) -> str:
    """Return the hash of the rows of a side table that a partition refers to.

    A catalogue grows every day; a partition is made again only if a row it uses changed.
    """
    rows = table.join(wanted, on=key, how="semi").collect(engine="streaming").sort(key)
    buffer = io.BytesIO()
    rows.write_csv(buffer, null_value="\\N")
    return hashlib.sha256(buffer.getbuffer()).hexdigest()


def write_parquet(frame: pl.DataFrame, path: Path) -> None:
    """Write a frame with settings that give equal bytes for equal rows."""
    frame.write_parquet(path, compression="zstd", statistics=True, row_group_size=ROW_GROUP)
