"""Read what ingest left behind, and refuse it where no rule could make sense of it."""

import contextlib
import datetime as dt
import json
import zoneinfo
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from tasks.core.contract import CONTENT, CONTEXT_PREFIX, TABLES
from tasks.core.days import Days, midnight_ms
from tasks.core.errors import ContractError, DwellError, SourceError
from tasks.core.files import hash_file, read_json
from tasks.core.layout import partition, partition_days
from tasks.core.traits import declared
from tasks.validate.config import RowRulesConfig

_DAY = dt.timedelta(days=1)


@dataclass(frozen=True)
class Raw:
    """The raw tables of one run.

    Attributes:
        folder: data/raw.
        source: source.json as read.
        days: the days to validate, in order and without gaps.
        hashes: SHA-256 of each day's part.parquet.
    """

    folder: Path
    source: dict[str, Any]
    days: tuple[dt.date, ...]
    hashes: dict[dt.date, str]

    def row_rules(self, config: RowRulesConfig) -> RowRulesConfig:
        """Fill in what the configuration leaves to the source: the scenes that exist."""
        if config.known_scenes is not None or not self.source.get("scenes"):
            return config
        return config.model_copy(update={"known_scenes": tuple(self.source["scenes"])})

    def part(self, day: dt.date) -> Path:
        """Return the file of one day's impressions."""
        return partition(self.folder / "impressions", day)

    def table(self, name: str) -> Path:
        """Return the file of a side table."""
        return self.folder / f"{name}.parquet"

    def bounds(self, day: dt.date) -> tuple[int, int]:
        """Return when a day begins and ends in the source's time zone, in milliseconds since 1970 UTC."""
        timezone = self.source["timezone"]
        return midnight_ms(day, timezone), midnight_ms(day + _DAY, timezone)


def read_raw(folder: Path, days: Days) -> Raw:
    """Check that every file a run needs is there, readable and typed as the contract says.

    Raises:
        SourceError: if a file or a day is missing, unreadable, empty or there twice.
        ContractError: if a table lacks a column, has one too many, or one of another type.
    """
    source = _read_source(folder / "source.json")
    present = _days_to_read(folder / "impressions", source, days)
    for name in ("users", "videos", *(("traits",) if declared(source) else ())):
        check_schema(folder / f"{name}.parquet", name)
    for day in present:
        _check_partition(folder / "impressions", day)
    hashes = {day: hash_file(partition(folder / "impressions", day)) for day in present}
    _refuse_twins(hashes)
    return Raw(folder, source, present, hashes)


def _read_source(path: Path) -> dict[str, Any]:
    if not path.exists():
        raise SourceError(f"{path} is missing: run the ingest stage")
    try:
        source: dict[str, Any] = read_json(path)
        zoneinfo.ZoneInfo(source["timezone"])
    except (json.JSONDecodeError, TypeError, KeyError, ValueError, zoneinfo.ZoneInfoNotFoundError) as error:
        raise SourceError(
            f"{path} must be JSON with a valid time zone under 'timezone' ({error}): run ingest again"
        ) from error
    return source


def _days_to_read(impressions: Path, source: dict[str, Any], days: Days) -> tuple[dt.date, ...]:
    """Return the days of the window that the source can have, and refuse any gap among them."""
    try:
        stored = set(partition_days(impressions))
    except ValueError as error:
        raise SourceError(
            f"{impressions} holds a folder that is not named day=YYYY-MM-DD ({error}): remove it"
        ) from error
    present = sorted(stored & set(days.read))
    if not present:
        raise SourceError(
            f"{impressions} holds none of the days {days.read[0]} to {days.read[-1]}: run the ingest stage"
        )
    first = dt.date.fromisoformat(source["first_day"]) if source.get("first_day") else present[0]
    needed = [day for day in days.read if day >= min(first, present[0])]
    missing = sorted({*needed, *days.modelled} - stored)
    if missing:
        named = ", ".join(str(day) for day in missing)
        raise SourceError(
            f"{impressions} lacks {named}; the run reads {needed[0]} to {days.read[-1]} without gaps: "
            "ingest the missing days, or choose another as_of"
        )
    return tuple(needed)


def _check_partition(impressions: Path, day: dt.date) -> None:
    path = partition(impressions, day)
    parts = sorted(part.name for part in path.parent.glob("*.parquet"))
    if parts != [path.name]:
        raise SourceError(
            f"{path.parent} must hold exactly one file {path.name}, found {parts or 'none'}: run ingest again"
        )
    check_schema(path, "impressions")
    with reading(path):
        rows = pl.scan_parquet(path).select(pl.len()).collect().item()
    if rows == 0:
        raise SourceError(f"day {day} is empty: {path} has 0 rows; ingest the day again, or choose another as_of")


def _refuse_twins(hashes: dict[dt.date, str]) -> None:
    seen: dict[str, dt.date] = {}
    for day, value in hashes.items():
        if value in seen:
            raise SourceError(
                f"days {seen[value]} and {day} hold the very same file: one day was delivered twice; ingest them again"
            )
        seen[value] = day


def check_schema(path: Path, table: str) -> None:
    """Check a file's columns and types against the contract.

    Raises:
        SourceError: if the file is missing or is no readable Parquet.
        ContractError: naming every column that is missing, unknown or of another type.
    """
    if not path.exists():
        raise SourceError(f"{path} is missing: run the ingest stage")
    with reading(path):
        schema = pl.read_parquet_schema(path)
    problems = []
    for column in TABLES[table]:
        found = schema.pop(column.name, None)
        if found is None:
            problems.append(f"column {column.name!r} is missing")
        elif found != column.dtype:
            problems.append(f"column {column.name!r} is {found}, the contract says {column.dtype}")
    for name, dtype in schema.items():
        categorical = dtype == pl.String() and (table != "impressions" or name.startswith(CONTEXT_PREFIX))
        content = name == CONTENT and dtype == pl.List(pl.Float32())
        number = table == "traits" and dtype == pl.Float32()
        if not (categorical or content or number):
            problems.append(f"column {name!r} of type {dtype} is not in the contract")
    if problems:
        raise ContractError(f"{path} ({table}): {'; '.join(problems)}")


@contextlib.contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn the many errors of a damaged Parquet file into one that says what to do. Polars panics over some of them."""
    try:
        yield
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError, ValueError) as error:
        if isinstance(error, (DwellError, PermissionError)):
            raise
        cause = (str(error).splitlines() or [""])[0][:200]
        raise SourceError(
            f"{path} is not a readable Parquet file, perhaps truncated ({cause}): delete it and run ingest again"
        ) from error
