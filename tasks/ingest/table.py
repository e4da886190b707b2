"""Any log in Parquet or CSV files, mapped to the contract in `params.yaml`.

Columns that are not mapped: policy is "standard", scene 0, every flag 0 (and missing from the capabilities, so that no
tower is trained on it), known_at the end of the hour of the event; the rest is null.
"""

import datetime as dt
import glob
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl

from tasks.core.contract import FLAGS, conform, polars_schema
from tasks.core.errors import ContractError, SourceError
from tasks.ingest import delimited
from tasks.ingest.catalogue import read_table, refuse_statistics, seen
from tasks.ingest.clock import end_of_hour
from tasks.ingest.columns.category import category, scene, tags
from tasks.ingest.columns.identity import codes, identity
from tasks.ingest.columns.instant import TimeForm, first_values, instant
from tasks.ingest.columns.length import length
from tasks.ingest.columns.number import flag, policy, share, whole
from tasks.ingest.columns.reading import Reading
from tasks.ingest.config import ConstantValue, TableFiles, TableSourceConfig
from tasks.ingest.identities import without
from tasks.ingest.log_file import LogFile, reading
from tasks.ingest.logs import FileSource, LogFiles

_IDENTITIES = ("user_id", "video_id", "author_id", "music_id")
_TIMES = ("event_time_ms", "known_at_ms", "upload_time_ms")
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
        root = Path(config.path)
        paths = _expand(root, config.impressions)
        files = [self._log_file(path, path.relative_to(root).as_posix()) for path in paths]
        settings = {"impressions": config.impressions.model_dump(mode="json"), "timezone": config.timezone}
        self._files = LogFiles(files, self.timezone, settings, earlier)

    def _log_file(self, path: Path, label: str) -> LogFile:
        files = self._config.impressions
        frame, schema = _open(path)
        readings = self._readings("impressions", files, path, frame, schema)
        others = _constants("impressions", files)
        if "known_at_ms" not in files.columns:
            others["known_at_ms"] = end_of_hour(readings["event_time_ms"].value, self.timezone)
        return LogFile(path, label, frame, readings, others)

    def users(self, days: Sequence[dt.date], impressions: Path) -> pl.DataFrame:
        if self._config.users is not None:
            return self._side_table("users", self._config.users)
        return seen(impressions, days, "user_id").drop_nulls().unique().collect(engine="streaming").sort("user_id")

    def videos(self, days: Sequence[dt.date], impressions: Path) -> pl.DataFrame:
        if self._config.videos is not None:
            return self._side_table("videos", self._config.videos)
        logged = seen(impressions, days, "video_id", "duration_ms").drop_nulls("video_id").group_by("video_id")
        lengths = logged.agg(pl.col("duration_ms").max()).collect(engine="streaming").sort("video_id")
        schema = polars_schema("videos")
        rest = [pl.lit(None, dtype=dtype).alias(name) for name, dtype in schema.items() if name not in lengths.columns]
        return conform(lengths.lazy().with_columns(rest), "videos", "videos of the log").collect()

    def _side_table(self, table: str, files: TableFiles) -> pl.DataFrame:
        key = "user_id" if table == "users" else "video_id"
        if key not in files.columns:
            raise ContractError(f"sources: {table}.columns must map {key} (kind table)")
        parts = [self._side_file(table, files, path) for path in _expand(Path(self._config.path), files)]
        frame = pl.concat(parts).sort(key)
        twice = without(frame).filter(pl.col(key).is_duplicated())[key]
        if len(twice):
            raise SourceError(f"{table}: {key} {twice[0]} stands in more than one of the files: keep one row each")
        return frame

    def _side_file(self, table: str, files: TableFiles, path: Path) -> pl.DataFrame:
        frame, schema = _open(path)
        readings = self._readings(table, files, path, frame, schema)
        delimited.require(path, list(schema), files.categoricals)
        categories = {name: category(name, schema[name]) for name in files.categoricals}
        records = [name for name in files.categoricals if isinstance(schema[name], pl.Struct)]
        if records:
            raise SourceError(f"{path}: column {records[0]!r} holds records, which are no category: map their fields")
        return read_table(path, frame, table, readings, categories, _constants(table, files))

    def _readings(
        self, table: str, files: TableFiles, path: Path, frame: pl.LazyFrame, schema: dict[str, pl.DataType]
    ) -> dict[str, Reading]:
        """Return how the mapped columns of a file are read.

        Raises:
            SourceError: if the file lacks a column, or times of a column make no sense.
        """
        mapped = {name: (source,) if isinstance(source, str) else source for name, source in files.columns.items()}
        sources = {name: source for name, source in mapped.items() if not isinstance(source, ConstantValue)}
        delimited.require(path, list(schema), [column for columns in sources.values() for column in columns])
        unit = None if files.time_unit == "auto" else files.time_unit
        form = TimeForm(self.timezone, unit, files.time_format)
        readings = {}
        for name, columns in sources.items():
            if name in _TIMES:
                sample = partial(first_values, frame, columns[0])
                with reading(path):
                    readings[name] = instant(columns, schema, form, sample, f"{path}, {table}")
            else:
                readings[name] = _reading(name, columns[0], schema[columns[0]], files, polars_schema(table)[name])
        return readings


def _expand(root: Path, files: TableFiles) -> list[Path]:
    """Return the files that the globs name, sorted.

    Raises:
        ContractError: if one holds statistics of the whole period.
        SourceError: if a glob names no file.
    """
    found: set[Path] = set()
    for pattern in files.files:
        matches = [Path(match) for match in glob.glob(str(root / pattern), recursive=True) if Path(match).is_file()]
        if not matches:
            raise SourceError(f"no file matches {root.absolute() / pattern}: check the source's path and files")
        found.update(matches)
    for path in found:
        refuse_statistics(str(path))
    return sorted(found)


def _open(path: Path) -> tuple[pl.LazyFrame, dict[str, pl.DataType]]:
    if ".csv" in path.suffixes:
        return delimited.scan(path), dict.fromkeys(delimited.header(path), pl.String())
    if path.suffix != ".parquet":
        raise SourceError(f"{path}: files must end in .parquet, .csv or .csv.gz")
    try:
        return pl.scan_parquet(path, hive_partitioning=False), dict(pl.read_parquet_schema(path))
    except (pl.exceptions.PolarsError, OSError) as error:
        reason = str(error).strip().splitlines()[0]
        raise SourceError(
            f"{path} is not readable Parquet, perhaps truncated ({reason}): deliver the file again"
        ) from error


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


def _reading(name: str, source: str, dtype: pl.DataType, files: TableFiles, wanted: pl.DataType) -> Reading:
    """Return how one column of a file becomes a column of the contract that is no time."""
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
