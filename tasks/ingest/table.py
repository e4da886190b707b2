"""Any log in Parquet, CSV or JSON lines, mapped to the contract in `params.yaml`.

Columns that are not mapped: policy is "standard", scene 0, every flag 0 (and missing from the capabilities, so that no
tower is trained on it), known_at the end of the hour of the event; the rest is null.
"""

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import polars as pl

from tasks.core.contract import CONTEXT_PREFIX, FLAGS, TABLES, polars_schema
from tasks.core.errors import ContractError, SourceError
from tasks.ingest.catalogue import read_table, refuse_statistics
from tasks.ingest.clock import end_of_hour
from tasks.ingest.columns.category import category, context, scene, tags
from tasks.ingest.columns.identity import codes, identity
from tasks.ingest.columns.instant import TimeForm, first_values, instant
from tasks.ingest.columns.length import length
from tasks.ingest.columns.number import flag, mark, policy, score, share, whole
from tasks.ingest.columns.reading import Reading
from tasks.ingest.config import ConstantValue, TableFiles, TableSourceConfig, TraitFiles
from tasks.ingest.folder import listed, partitions, root_of
from tasks.ingest.forms import open_file
from tasks.ingest.forms.form import Form
from tasks.ingest.identities import without
from tasks.ingest.log_file import LogFile
from tasks.ingest.logs import FileSource, LogFiles
from tasks.ingest.problems import Problems

_IDENTITIES = ("user_id", "video_id", "author_id", "music_id")
_TIMES = ("event_time_ms", "known_at_ms", "upload_time_ms", "consent_time_ms", "recorded_time_ms")
_NAME_SCENES = "scenes are whole numbers from 0 on, or text that `scenes` of this table lists"
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
        self.scene_names = config.impressions.scenes
        self.scenes: tuple[int, ...] | None = tuple(range(len(self.scene_names))) or None
        self.capabilities = (*recorded, *(("random_exposure",) if "policy" in mapped else ()))
        self.traits = config.traits.traits if config.traits else {}
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
        """The tables of users, videos and traits that files hold.

        Raises:
            SourceError: with the problems of all files, those of the log included.
        """
        tables: dict[str, pl.DataFrame | None] = {"users": None, "videos": None, "traits": None}
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
        wanted = [column for columns in _sources(files).values() for column in columns]
        further = [*files.categoricals, *getattr(files, "traits", ())]
        with problems.noted():
            for file in listed(path, files.files, table):
                refuse_statistics(str(file))
                label = file.relative_to(root_of(path, "path")).as_posix()
                with problems.noted():
                    yield open_file(file, files, table, [*wanted, *further], partitions(label)), label

    def _log_file(self, file: Form, label: str) -> LogFile:
        files = self._config.impressions
        readings = self._readings("impressions", files, file)
        readings |= {CONTEXT_PREFIX + name: context(name, file.schema[name]) for name in files.categoricals}
        others = _constants("impressions", files)
        if "known_at_ms" not in files.columns:
            others["known_at_ms"] = end_of_hour(readings["event_time_ms"].value, self.timezone)
        return LogFile(file, label, readings, others)

    def users(self, days: Sequence[dt.date], impressions: Path) -> pl.DataFrame:
        given = self._side_tables["users"]
        return super().users(days, impressions) if given is None else given

    def videos(self, days: Sequence[dt.date], impressions: Path) -> pl.DataFrame:
        given = self._side_tables["videos"]
        return super().videos(days, impressions) if given is None else given

    def trait_records(self, days: Sequence[dt.date]) -> pl.DataFrame | None:
        return self._side_tables["traits"]

    def _side_table(self, table: str, files: TableFiles) -> pl.DataFrame:
        key = TABLES[table][0].name
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
        twice = without(frame).filter(pl.col(key).is_duplicated())[key]
        if len(twice):
            raise SourceError(f"{table}: {key} {twice[0]} stands in more than one of the files: keep one row each")
        return frame

    def _side_file(self, table: str, files: TableFiles, file: Form) -> pl.DataFrame:
        schema = file.schema
        readings, named = self._readings(table, files, file), list(files.categoricals)
        if isinstance(files, TraitFiles):
            numbers = [name for name, trait in files.traits.items() if trait.kind == "number"]
            readings |= {name: score(name, schema[name]) for name in numbers}
            named += [name for name in files.traits if name not in numbers]
        categories = {name: category(name, schema[name]) for name in named}
        records = [name for name in named if isinstance(schema[name], pl.Struct)]
        if records:
            raise SourceError(
                f"{file.path}: column {records[0]!r} holds records, which are no category: map their fields"
            )
        return read_table(file, file.frame, table, readings, categories, _constants(table, files), may_be_empty=True)

    def _readings(self, table: str, files: TableFiles, file: Form) -> dict[str, Reading]:
        """Return how the mapped columns of a file are read.

        Raises:
            SourceError: if times make no sense: every such column is named.
        """
        unit = None if files.time_unit == "auto" else files.time_unit
        schema, form = dict(file.schema), TimeForm(self.timezone, unit, files.time_format)
        readings, problems = {}, Problems()
        for name, columns in _sources(files).items():
            if name in _TIMES:
                sample = partial(first_values, file.frame, columns[0])
                with problems.noted(), file.reading():
                    readings[name] = instant(columns, schema, form, sample, f"{file.path}, {table}")
            else:
                readings[name] = _reading(name, columns[0], schema[columns[0]], files, polars_schema(table).get(name))
        problems.refuse()
        return readings


def _sources(files: TableFiles) -> dict[str, tuple[str, ...]]:
    """Return contract column -> columns of the file, without those that hold one value for every row."""
    mapped = {name: (source,) if isinstance(source, str) else source for name, source in files.columns.items()}
    return {name: source for name, source in mapped.items() if not isinstance(source, ConstantValue)}


def _constants(table: str, files: TableFiles) -> dict[str, pl.Expr]:
    """Return what the columns hold that no column of the file is mapped to."""
    columns = {}
    for name, dtype in polars_schema(table).items():
        source = files.columns.get(name, ConstantValue(constant=_DEFAULTS[name]) if name in _DEFAULTS else None)
        if source is None:
            columns[name] = pl.lit(None, dtype=dtype)
        elif isinstance(source, ConstantValue):
            columns[name] = pl.lit(_constant(name, source, files), dtype=dtype)
    return columns


def _constant(name: str, source: ConstantValue, files: TableFiles) -> Any:
    if name in _IDENTITIES:
        return codes(pl.Series([str(source.constant)])).item()
    return files.scenes.index(str(source.constant)) if name == "scene" and files.scenes else source.constant


def _reading(name: str, source: str, dtype: pl.DataType, files: TableFiles, wanted: pl.DataType | None) -> Reading:
    """Return how one column of a file becomes a column of the contract that is no time, or (of no type there) a mark of its rows."""
    if wanted is None:
        return mark(source, dtype)
    if name in _IDENTITIES:
        return identity(source, dtype)
    if name == "watch_ms":
        return length(source, dtype, files.watch_unit or files.duration_unit, "watch_unit")
    if name == "duration_ms":
        return length(source, dtype, files.duration_unit, "duration_unit")
    if name == "policy":
        return policy(source, dtype)
    if name == "tag":
        return tags(source, dtype)
    if name == "exposure_probability":
        return share(source, dtype)
    if name == "scene":
        return scene(source, dtype, files.scenes) if files.scenes else whole(source, dtype, wanted, _NAME_SCENES)
    return flag(source, dtype) if wanted == pl.Int8() else whole(source, dtype, wanted)
