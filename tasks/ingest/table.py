"""Any log in Parquet, CSV or JSON lines, mapped to the contract in `params.yaml`.

Columns that are not mapped: policy is "standard", scene 0, every flag 0 (and missing from the capabilities, so that no
tower is trained on it), known_at the end of the hour of the event; the rest is null.
"""

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import polars as pl

from tasks.core.contract import FLAGS, POLICIES, conform, polars_schema
from tasks.core.errors import ContractError, SourceError
from tasks.ingest.catalogue import identifiers, read_table, refuse_statistics, seen
from tasks.ingest.clock import Unit, end_of_hour, instant_ms, milliseconds
from tasks.ingest.config import ConstantValue, TableFiles, TableSourceConfig
from tasks.ingest.folder import listed, partitions, root_of
from tasks.ingest.forms import open_file
from tasks.ingest.forms.form import Form
from tasks.ingest.log_file import LogFile
from tasks.ingest.logs import FileSource, LogFiles
from tasks.ingest.problems import Problems

_TIMES = ("event_time_ms", "known_at_ms", "upload_time_ms")
_LENGTHS = ("duration_ms", "watch_ms")
_NEEDED = ("user_id", "video_id", "event_time_ms", "watch_ms")
_DEFAULTS: Mapping[str, Any] = {"policy": "standard", "scene": 0, **dict.fromkeys(FLAGS, 0)}
_RECORDED = (*FLAGS, "long_view", "position", "exposure_probability")


class TableSource(FileSource):
    """Files of impressions, and optionally of users and videos."""

    name = "table"

    def __init__(self, config: TableSourceConfig, earlier: Path | None = None) -> None:
        self._config = config
        self.timezone = config.timezone
        mapped = config.impressions.columns
        missing = [name for name in _NEEDED if name not in mapped]
        if missing:
            raise ContractError(f"sources: impressions.columns must map {', '.join(missing)} (kind table)")
        recorded = tuple(name for name in _RECORDED if isinstance(mapped.get(name), str))
        self.scenes: tuple[int, ...] | None = None
        self.capabilities = (*recorded, *(("random_exposure",) if isinstance(mapped.get("policy"), str) else ()))
        self._problems, files = Problems(), []
        for file, label in self._opened("impressions", config.impressions, self._problems):
            with self._problems.noted():
                files.append(self._log_file(file, label))
        settings = {"impressions": config.impressions.model_dump(mode="json"), "timezone": config.timezone}
        self._files = LogFiles(files, self.timezone, settings, earlier)

    @property
    def _days(self) -> Mapping[dt.date, int]:
        """Rows by arrival day, once all files are known to be sound: nothing is written before."""
        _ = self._side_tables
        return self._files.rows_per_day

    def first_rows(self, count: int) -> tuple[pl.DataFrame, pl.DataFrame]:
        """Return the first rows of the log as they are, and as the contract has them.

        Raises:
            SourceError: if files cannot be read.
        """
        self._problems.refuse()
        return self._files.first_rows(count)

    @cached_property
    def _side_tables(self) -> dict[str, pl.DataFrame | None]:
        """The tables of users and videos that files hold.

        Raises:
            SourceError: with the problems of all files, those of the log included.
        """
        tables: dict[str, pl.DataFrame | None] = {"users": None, "videos": None}
        if self._files.files:
            with self._problems.noted():
                _ = self._files.index
        for name in tables:
            files: TableFiles | None = getattr(self._config, name)
            if files is not None:
                with self._problems.noted():
                    tables[name] = self._side_table(name, files)
        self._problems.refuse()
        return tables

    def _opened(self, table: str, files: TableFiles, problems: Problems) -> Iterator[tuple[Form, str]]:
        """Yield the files of a table and their names below the source's path; take note of those that cannot be opened."""
        path = Path(self._config.path)
        wanted = [*(source for source in files.columns.values() if isinstance(source, str)), *files.categoricals]
        with problems.noted():
            for file in listed(path, files.files, table):
                refuse_statistics(str(file))
                label = file.relative_to(root_of(path, "path")).as_posix()
                with problems.noted():
                    yield open_file(file, files, table, wanted, partitions(label)), label

    def _log_file(self, file: Form, label: str) -> LogFile:
        files, schema = self._config.impressions, file.schema
        columns = {}
        for name, dtype in polars_schema("impressions").items():
            source = files.columns.get(name, ConstantValue(constant=_DEFAULTS[name]) if name in _DEFAULTS else None)
            if isinstance(source, str):
                columns[name] = _column(name, source, schema[source], dtype, files, self.timezone)
            else:
                columns[name] = pl.lit(source.constant if source else None, dtype=dtype)
        if "known_at_ms" not in files.columns:
            columns["known_at_ms"] = end_of_hour(columns["event_time_ms"], self.timezone)
        origin = {name: source for name, source in files.columns.items() if isinstance(source, str)}
        return LogFile(file, label, columns, origin)

    def users(self, days: Sequence[dt.date], impressions: Path) -> pl.DataFrame:
        if (given := self._side_tables["users"]) is not None:
            return given
        return seen(impressions, days, "user_id").drop_nulls().unique().collect(engine="streaming").sort("user_id")

    def videos(self, days: Sequence[dt.date], impressions: Path) -> pl.DataFrame:
        if (given := self._side_tables["videos"]) is not None:
            return given
        logged = seen(impressions, days, "video_id", "duration_ms").drop_nulls("video_id").group_by("video_id")
        lengths = logged.agg(pl.col("duration_ms").max()).collect(engine="streaming").sort("video_id")
        schema = polars_schema("videos")
        rest = [pl.lit(None, dtype=dtype).alias(name) for name, dtype in schema.items() if name not in lengths.columns]
        return conform(lengths.lazy().with_columns(rest), "videos", "videos of the log").collect()

    def _side_table(self, table: str, files: TableFiles) -> pl.DataFrame:
        key = "user_id" if table == "users" else "video_id"
        if key not in files.columns:
            raise ContractError(f"sources: {table}.columns must map {key} (kind table)")
        problems, parts = Problems(), []
        for file, _ in self._opened(table, files, problems):
            with problems.noted():
                parts.append(self._side_file(table, files, file))
        problems.refuse()
        frame = pl.concat(parts).sort(key)
        if frame.is_empty():
            raise SourceError(f"{table}: the files hold no rows: deliver them again, or leave {table} out")
        twice = frame.filter(pl.col(key).is_duplicated())[key]
        if len(twice):
            raise SourceError(f"{table}: {key} {twice[0]} stands in more than one of the files: keep one row each")
        return frame

    def _side_file(self, table: str, files: TableFiles, file: Form) -> pl.DataFrame:
        schema = file.schema
        origin = {name: source for name, source in files.columns.items() if isinstance(source, str)}
        columns = {}
        for name, dtype in polars_schema(table).items():
            source = files.columns.get(name)
            if isinstance(source, str):
                columns[name] = _column(name, source, schema[source], dtype, files, self.timezone)
            else:
                columns[name] = pl.lit(source.constant if source else None, dtype=dtype)
        return read_table(file, file.frame, table, columns, origin, files.categoricals, may_be_empty=True)


def _column(
    name: str, source: str, found: pl.DataType, wanted: pl.DataType, files: TableFiles, timezone: str
) -> pl.Expr:
    """Return a contract column from a file column; null where a value cannot be read."""
    unit: Unit = files.time_unit if name in _TIMES else files.duration_unit
    if name in _TIMES:
        return instant_ms(source, found, unit, timezone)
    if name in _LENGTHS:
        return milliseconds(source, found, unit)
    value = pl.col(source)
    if name == "policy":
        text = value.cast(pl.Int8()) if found == pl.Boolean() else value
        names = {
            **{policy: policy for policy in POLICIES},
            "0": "standard",
            "1": "random",
            "0.0": "standard",
            "1.0": "random",
        }
        return text.cast(pl.String()).replace_strict(names, default=None, return_dtype=pl.String())
    if wanted.is_integer() and found == pl.String():
        return identifiers(source).cast(wanted, strict=False)
    return value.cast(wanted, strict=False)
