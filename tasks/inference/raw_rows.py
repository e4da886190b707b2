"""Rows as the log writes them, as the candidates that features are joined to."""

from dataclasses import dataclass
from pathlib import Path

import polars as pl

from tasks.core.contract import context_names, polars_schema
from tasks.core.errors import ContractError
from tasks.core.files import read_json
from tasks.ingest.columns.category import category, scene
from tasks.ingest.columns.identity import identity
from tasks.ingest.columns.number import whole
from tasks.ingest.columns.reading import Reading

IDENTIFIERS = ("user_id", "video_id")
_TIMES = ("event_time_ms", "known_at_ms")
_NUMBERS = ("duration_ms", "position")


@dataclass(frozen=True)
class RawRows:
    """How the rows of a source are read.

    Attributes:
        timezone: of the source; times without a zone are local to it.
        scenes: those that the source may hold; None: any.
        scene_names: their names, by number; empty: they have none.
        shown_ms: when a row without a time would be shown.
    """

    timezone: str
    scenes: tuple[int, ...] | None
    scene_names: tuple[str, ...]
    shown_ms: int

    @classmethod
    def of(cls, features: Path, shown_ms: int) -> "RawRows":
        """Return how the rows of the source behind data/features are read."""
        about = read_json(features / "source.json")
        scenes = about.get("scenes")
        return cls(
            about["timezone"], None if scenes is None else tuple(scenes), tuple(about.get("scene_names", ())), shown_ms
        )

    def candidates(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Return rows as `tasks.features.candidates` takes them, in order.

        Args:
            rows: `user_id` and `video_id` as the source writes them; `scene` by name or number, which may be left out
                where the source has one; optionally `event_time_ms` (milliseconds or a time) when the pair is shown,
                `known_at_ms`, `duration_ms`, `position` and the source's columns of context. Others are not read.

        Raises:
            ContractError: if a column is missing, or holds a value that is not what it is for; all of them at once.
        """
        problems = list[str]()
        columns = [self._identifier(rows, name, problems) for name in IDENTIFIERS]
        columns.append(self._scene(rows, problems))
        columns += [self._time(rows, name, problems) for name in _TIMES if name in rows.columns]
        columns += [_number(rows, name, problems) for name in _NUMBERS if name in rows.columns]
        if problems:
            raise ContractError("\n".join(problems))
        context = [category(name, rows.schema[name]) for name in context_names(rows.columns)]
        given = pl.DataFrame(columns).with_columns(rows.select(context))
        shown = pl.lit(self.shown_ms, dtype=pl.Int64()).alias("event_time_ms")
        if "event_time_ms" in given.columns:
            shown = pl.col("event_time_ms").fill_null(shown)
        return given.with_columns(shown)

    def _identifier(self, rows: pl.DataFrame, name: str, problems: list[str]) -> pl.Series:
        if name not in rows.columns:
            problems.append(f"the rows lack {name}; they have {', '.join(rows.columns)}")
            return pl.Series(name, dtype=pl.Int64())
        dtype = rows.schema[name]
        if dtype.is_signed_integer() and len(negative := rows[name].filter(rows[name] < 0)):
            problems.append(
                f"column {name!r} holds {negative[0]}: inside dwell that is a code for text; write identifiers as the "
                "source and top_k.parquet do, as text if the source's own are negative"
            )
        return _read(rows, name, identity(name, dtype), problems, is_required=True)

    def _scene(self, rows: pl.DataFrame, problems: list[str]) -> pl.Series:
        if "scene" not in rows.columns:
            if self.scenes is None or len(self.scenes) != 1:
                problems.append(f"the rows lack scene, the page they are shown on; {self._known_scenes}")
            number = self.scenes[0] if self.scenes else 0
            return pl.Series("scene", [number] * rows.height, dtype=pl.Int16())
        if not self.scene_names:
            return _number(rows, "scene", problems, is_required=True)
        numbers = rows.select(scene("scene", rows.schema["scene"], self.scene_names).value.alias("scene")).to_series()
        unknown = rows["scene"].filter((numbers < 0).fill_null(True))
        if len(unknown):
            problems.append(f"column 'scene' holds {unknown[0]!r}; {self._known_scenes}")
        return numbers

    @property
    def _known_scenes(self) -> str:
        known = self.scene_names or self.scenes
        return "whole numbers name it here" if known is None else f"this source has {', '.join(map(str, known))}"

    def _time(self, rows: pl.DataFrame, name: str, problems: list[str]) -> pl.Series:
        dtype = rows.schema[name]
        if not isinstance(dtype, pl.Datetime):
            return _number(rows, name, problems)
        times = rows[name]
        if dtype.time_zone is None:
            times = times.dt.replace_time_zone(self.timezone, ambiguous="earliest", non_existent="null")
            if times.null_count() > rows[name].null_count():
                problems.append(f"column {name!r} holds local times that {self.timezone} skips: give them a zone")
        return times.dt.timestamp("ms")


def _number(rows: pl.DataFrame, name: str, problems: list[str], is_required: bool = False) -> pl.Series:
    return _read(rows, name, whole(name, rows.schema[name], polars_schema("impressions")[name]), problems, is_required)


def _read(rows: pl.DataFrame, name: str, reading: Reading, problems: list[str], is_required: bool) -> pl.Series:
    """Return the column that a reading makes; say what of it cannot be read."""
    wrong = reading.wrong | reading.value.is_null() if is_required else reading.wrong
    read = rows.select(given=reading.given, value=reading.value, wrong=wrong)
    bad = read.filter("wrong")["given"]
    if len(bad):
        problems.append(reading.refusal(name, bad.head(3).to_list(), len(bad)))
    return read["value"].alias(name)
