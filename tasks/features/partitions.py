"""What the partition functions share: the re-use key, stable Parquet files, and the result they return."""

import datetime as dt
import hashlib
import io
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

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


def count_rows(*files: Path) -> int:
    """Return how many rows Parquet files say they hold."""
    return int(pl.scan_parquet(list(files), hive_partitioning=False).select(pl.len()).collect().item())


def write_parquet(frame: pl.DataFrame, path: Path) -> None:
    """Write a frame with settings that give equal bytes for equal rows."""
    frame.write_parquet(path, compression="zstd", statistics=True, row_group_size=ROW_GROUP)


def write_parts(frames: Iterable[pl.DataFrame], path: Path) -> None:
    """Write at least one frame to a file, one after the other; a single one as `write_parquet` does."""
    writer: pq.ParquetWriter | None = None
    with ExitStack() as stack:
        pending: pl.DataFrame | None = None
        for frame in frames:
            if pending is not None:
                table = as_arrow(pending)
                writer = writer or stack.enter_context(pq.ParquetWriter(path, table.schema, compression="zstd"))
                writer.write_table(table, row_group_size=ROW_GROUP)
            pending = frame
        assert pending is not None
        if writer is None:
            write_parquet(pending, path)
        else:
            writer.write_table(as_arrow(pending), row_group_size=ROW_GROUP)


def as_arrow(frame: pl.DataFrame) -> pa.Table:
    """Return a frame with the types that every reader of Parquet knows."""
    return frame.to_arrow(compat_level=pl.CompatLevel.oldest())
