"""One file of impressions: which days it holds, whether it is sound, and its rows by arrival day."""

import contextlib
import datetime as dt
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from tasks.core.contract import IMPRESSIONS, polars_schema
from tasks.core.errors import SourceError
from tasks.ingest.clock import arrival_day
from tasks.ingest.forms.form import Form

_TIMES = ("event_time_ms", "known_at_ms")
_REQUIRED = tuple(column.name for column in IMPRESSIONS if not column.nullable)
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class LogFile:
    """One file of impressions and how its columns become the contract's.

    Attributes:
        file: its rows as they are.
        label: its path below the source's folder.
        columns: contract column -> expression over the file's columns; null where a value cannot be read. Further names
            are checked likewise and dropped.
        origin: contract column -> file column, for messages; constants have none.
        untimed: whether rows without a time are known to occur and are left out with a warning.
    """

    file: Form
    label: str
    columns: Mapping[str, pl.Expr]
    origin: Mapping[str, str]
    untimed: bool = False

    @property
    def path(self) -> Path:
        return self.file.path

    @property
    def frame(self) -> pl.LazyFrame:
        return self.file.frame


def index_file(file: LogFile, timezone: str) -> dict[dt.date, int]:
    """Return rows per arrival day, after checking that every value can be read; none where the file holds no rows.

    Raises:
        SourceError: if the file cannot be read, or holds a value that is not what its column is for.
    """
    with reading(file):
        return _index(file, timezone)


def _index(file: LogFile, timezone: str) -> dict[dt.date, int]:
    day = arrival_day(file.columns["known_at_ms"], timezone).alias("day")
    unread = {f"bad {name}": _unread(file, name).sum() for name in file.origin}
    required = [name for name in _REQUIRED if name in file.origin]
    absent = {f"no {name}": pl.col(file.origin[name]).is_null().sum() for name in required}
    file.file.check()
    counts = file.frame.group_by(day).agg(rows=pl.len(), **unread, **absent).collect(engine="streaming")
    if counts.is_empty():
        _log.warning("%s holds no rows", file.label)
        return {}
    for name in file.origin:
        without_time = name in _TIMES and not file.untimed and counts[f"no {name}"].sum() > 0
        if without_time or counts[f"bad {name}"].sum() > 0:
            raise _unreadable(file, name)
    days = dict(counts.drop_nulls("day").sort("day").select("day", "rows").iter_rows())
    left_out = counts["rows"].sum() - sum(days.values())
    if left_out and not file.untimed:
        raise SourceError(f"{file.path}: {left_out} rows have no time that exists in {timezone}; mend or remove them")
    if left_out:
        _log.warning("%s: %d rows without a time cannot be assigned to a day and are left out", file.label, left_out)
    return days


def part_by_day(file: LogFile, days: Sequence[dt.date], timezone: str, folder: Path) -> None:
    """Write the rows of some days below `folder`, one subfolder each, in one pass.

    Raises:
        StorageError: if the disk is full or the folder cannot be written.
        SourceError: if the file cannot be read.
    """
    day = arrival_day(pl.col("known_at_ms"), timezone)
    chosen = file.frame.select(contract_columns(file))
    wanted = chosen.with_columns(day=day).filter(pl.col("day").is_in(list(days)))
    with reading(file):
        wanted.sink_parquet(pl.PartitionBy(folder, key="day", include_key=False), mkdir=True, compression="lz4")


def contract_columns(file: LogFile) -> list[pl.Expr]:
    """Return the columns of the contract, as they are made from the file's."""
    return [file.columns[name].cast(dtype).alias(name) for name, dtype in polars_schema("impressions").items()]


@contextlib.contextmanager
def reading(file: LogFile) -> Iterator[None]:
    """Hold a file readable; say what is wrong where, and what to do, if it is damaged or the disk is full."""
    with file.file.reading():
        yield


def _unread(file: LogFile, name: str) -> pl.Expr:
    return pl.col(file.origin[name]).is_not_null() & file.columns[name].is_null()


def _unreadable(file: LogFile, name: str) -> SourceError:
    """Return the error that names the first value of a column that cannot be read."""
    value = pl.col(file.origin[name])
    wrong = _unread(file, name) | value.is_null() if name in _TIMES else _unread(file, name)
    first = file.frame.select(value.alias("value"), wrong=wrong).with_row_index().filter("wrong").head(1).collect()
    row, found = first.select("index", "value").row(0)
    meaning = next((f" ({column.dtype}: {column.meaning})" for column in IMPRESSIONS if column.name == name), "")
    return SourceError(
        f"{file.path}, {file.file.place(row)}: column {file.origin[name]!r} holds {found!r}, which cannot be read as {name}{meaning}; "
        f"{file.file.remedy(found)}"
    )
