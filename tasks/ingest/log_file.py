"""One file of impressions: which days it holds, whether it is sound, and its rows by arrival day."""

import datetime as dt
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from tasks.core.contract import SHOWN, impressions_schema
from tasks.core.errors import SourceError
from tasks.ingest.clock import arrival_day, implausible
from tasks.ingest.columns.instant import moment
from tasks.ingest.columns.reading import Reading
from tasks.ingest.forms.form import Form
from tasks.ingest.identities import with_written

_TIMES = ("event_time_ms", "known_at_ms")
_NEEDED = (*_TIMES, SHOWN.name)
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class LogFile:
    """One file of impressions and how its columns become the contract's.

    Attributes:
        file: its rows as they are.
        label: its path below the source's folder.
        readings: contract column, or one of the row's context -> how it is read. Further names are checked likewise and
            dropped.
        others: contract column -> what it is made from in another way: constants, and what follows from other columns.
        untimed: whether rows without a time are known to occur and are left out with a warning.
    """

    file: Form
    label: str
    readings: Mapping[str, Reading]
    others: Mapping[str, pl.Expr]
    untimed: bool = False

    @property
    def columns(self) -> dict[str, pl.Expr]:
        """Contract column -> expression over the file's columns; null where a value cannot be read."""
        return {**self.others, **{name: reading.value for name, reading in self.readings.items()}}

    @property
    def schema(self) -> dict[str, pl.DataType]:
        """Types of the rows that are made of the file's."""
        return impressions_schema(self.readings)

    @property
    def path(self) -> Path:
        return self.file.path

    @property
    def frame(self) -> pl.LazyFrame:
        return self.file.frame


def index_file(file: LogFile, timezone: str) -> dict[dt.date, int]:
    """Return rows per arrival day, after checking that every value can be read; none where the file holds no rows.

    Raises:
        SourceError: if the file cannot be read, or holds values that are not what their column is for: every such column is
            named.
    """
    with file.file.reading():
        return _index(file, timezone)


def _index(file: LogFile, timezone: str) -> dict[dt.date, int]:
    day = arrival_day(file.columns["known_at_ms"], timezone).alias("day")
    bad = {f"bad {name}": reading.wrong.sum() for name, reading in file.readings.items()}
    times = [name for name in _TIMES if name in file.readings]
    needed = [name for name in _NEEDED if name in file.readings]
    absent = {f"no {name}": file.readings[name].given.is_null().sum() for name in needed}
    odd = {f"odd {name}": implausible(file.readings[name].value).sum() for name in times}
    file.file.check()
    counts = file.frame.group_by(day).agg(rows=pl.len(), **bad, **absent, **odd).collect(engine="streaming")
    if counts.is_empty():
        _log.warning("%s holds no rows", file.label)
        return {}
    rows = int(counts["rows"].sum())
    problems = [_unreadable(file, name) for name in file.readings if counts[f"bad {name}"].sum() > 0]
    if not file.untimed:
        problems += [_unreadable(file, name, absent=True) for name in needed if counts[f"no {name}"].sum() > 0]
    problems += [
        _implausible(file, name) for name in times if not problems and 2 * int(counts[f"odd {name}"].sum()) > rows
    ]
    if problems:
        raise SourceError("\n".join(problems))
    days = dict(counts.drop_nulls("day").sort("day").select("day", "rows").iter_rows())
    left_out = rows - sum(days.values())
    if left_out and not file.untimed:
        raise SourceError(f"{file.path}: {left_out} rows have no time that exists in {timezone}; mend or remove them")
    if left_out:
        _log.warning("%s: %d rows without a time cannot be assigned to a day and are left out", file.label, left_out)
    return days


def part_by_day(file: LogFile, days: Sequence[dt.date], timezone: str, folder: Path) -> None:
    """Write the rows of some days below `folder`, one subfolder each, in one pass, with `shown` where the log says it.

    Identifiers that are no numbers are written with their text; see `tasks.ingest.identities`.

    Raises:
        StorageError: if the disk is full or the folder cannot be written.
        SourceError: if the file cannot be read.
    """
    shown = [reading.value.alias(name) for name, reading in file.readings.items() if name == SHOWN.name]
    chosen = with_written(file.frame, [*contract_columns(file), *shown], file.readings)
    wanted = chosen.with_columns(day=arrival_day(pl.col("known_at_ms"), timezone)).filter(
        pl.col("day").is_in(list(days))
    )
    with file.file.reading():
        wanted.sink_parquet(pl.PartitionBy(folder, key="day", include_key=False), mkdir=True, compression="lz4")


def rows_of_days(file: LogFile, days: Sequence[dt.date], timezone: str) -> pl.DataFrame:
    """Return the rows of some days as the contract has them, each with `file` and `row` (from 1), where it stands."""
    numbered = file.frame.with_row_index("row", offset=1)
    chosen = numbered.select(*contract_columns(file), file=pl.lit(file.label), row=pl.col("row").cast(pl.Int64()))
    with file.file.reading():
        return chosen.filter(arrival_day(pl.col("known_at_ms"), timezone).is_in(list(days))).collect(engine="streaming")


def contract_columns(file: LogFile) -> list[pl.Expr]:
    """Return the columns of the contract, as they are made from the file's."""
    columns = file.columns
    return [columns[name].cast(dtype).alias(name) for name, dtype in file.schema.items()]


def _unreadable(file: LogFile, name: str, absent: bool = False) -> str:
    """Name the first values of a column that cannot be read, or the first row without one."""
    found = file.readings[name]
    rows = file.frame.select(value=found.given, wrong=found.given.is_null() if absent else found.wrong)
    wrong = rows.with_row_index().filter("wrong")
    first = wrong.head(3).collect()
    values = first["value"].to_list()
    count = 1 if absent else wrong.select(pl.len()).collect(engine="streaming").item()
    said = found.refusal(name, values, count, file.file.remedy(values[0]))
    return f"{file.path}, {file.file.place(first['index'][0])}: {said}"


def _implausible(file: LogFile, name: str) -> str:
    """Name the first of a file's times where most are such at which no log was written."""
    found = file.readings[name]
    rows = file.frame.select(value=found.given, time=found.value).with_row_index()
    index, value, time = rows.filter(implausible(pl.col("time"))).head(1).collect().row(0)
    return (
        f"{file.path}, {file.file.place(index)}: column {found.source!r} holds {value!r}, as most rows do, read as {moment(time)}: "
        f"no log is of that time; set time_unit, or map the column that holds {name}"
    )
