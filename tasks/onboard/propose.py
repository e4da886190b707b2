"""A `sources` block for files that were looked at: which is the log, what its columns are, in which units."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
from ruamel.yaml.comments import CommentedMap, CommentedSeq

from tasks.core.contract import FLAGS, SHOWN, TABLES
from tasks.core.errors import SourceError
from tasks.ingest.config import TableFiles
from tasks.onboard import units
from tasks.onboard.clock import Source, paired, values_of, zone_of
from tasks.onboard.look import Group
from tasks.onboard.synonyms import SYNONYMS, matches, unit_of

NEEDED = ("user_id", "video_id", "event_time_ms", "watch_ms")
_TIMES = ("event_time_ms", "known_at_ms", "upload_time_ms")
_MOST_LEVELS, _MOST_SCENES = 1000, 50
COSTS: Mapping[str, str] = {
    "duration_ms": "no length of the video: every row is set aside (rule zero_duration), so the log needs one",
    "scene": "no scene: one page of the product for all rows",
    "policy": "no mark of uniformly random exposure: nothing is measured under uniform exposure",
    "position": "no position: exposure cannot be told from preference by the slot",
    "exposure_probability": "no exposure probability: the value of serving by score is not estimated",
    "known_at_ms": "no time of logging: a row counts as known at the end of the hour it happened in",
    **{name: f"no {name} column: no {name} tower" for name in FLAGS},
    "users": "no users table: users have no features but their past",
    "videos": "no videos table: no author, upload time, music or tags, so no features of them",
}
"""what is missing -> what that costs"""


@dataclass(frozen=True)
class Proposal:
    """How files would be read.

    Attributes:
        block: the source as `params.yaml` would hold it, with comments.
        log: the files of the log.
        mapped: table -> contract column -> column of the file, or a pair of dates and times of day.
        unused: columns of the log that nothing reads.
        missing: one sentence for everything that is not there.
        questions: what a person has to look at.
    """

    block: CommentedMap
    log: Group
    mapped: Mapping[str, Mapping[str, Source]]
    unused: Sequence[str]
    missing: Sequence[str]
    questions: Sequence[str]


def propose(path: Path, groups: Sequence[Group], timezone: str | None) -> Proposal:
    """Return how the files at a path would be read.

    Args:
        path: a folder or a file.
        groups: what lies there.
        timezone: days begin at its midnight; None: as the times say, else UTC.

    Raises:
        SourceError: if no files are a log of who watched what, when, for how long: naming the columns that lack.
    """
    scored = {name: [(matches(name, group.rows.columns), group) for group in groups] for name in SYNONYMS}
    named, log = max(scored["impressions"], key=lambda one: (sum(name in one[0] for name in NEEDED), len(one[0])))
    lacking = [name for name in NEEDED if name not in named]
    if lacking:
        meanings = {column.name: column.meaning for column in TABLES["impressions"]}
        raise SourceError(
            f"{path}: no column is known to be " + ", ".join(f"{name} ({meanings[name]})" for name in lacking)
            + f"; the most likely log, {', '.join(log.patterns) or path.name}, has {', '.join(log.rows.columns)}: "
            "write the source into params.yaml by hand (docs/extending.md, A source), naming them under impressions.columns"
        )  # fmt: skip
    questions: list[str] = []
    named, marks = _marked(named, log.rows)
    questions += marks
    time = paired(log.rows, named) or named["event_time_ms"]
    mapping: dict[str, Source] = {**named, "event_time_ms": time}
    zone, seen = (timezone, "as asked for") if timezone else zone_of(values_of(log.rows, time))
    block = CommentedMap(kind="table", path=str(path), timezone=zone or "UTC")
    hangs = "days begin at midnight here; times that name no zone are read in it"
    block.yaml_add_eol_comment(hangs + ("" if timezone else f" ({seen})"), "timezone")
    if zone is None:
        questions.append(f"timezone: UTC is a guess ({seen}): which rows make a day, and hours of the day, hang on it")
    mapped: dict[str, Mapping[str, Source]] = {"impressions": mapping}
    block["impressions"] = _files("impressions", log, mapping, questions)
    for table, key in (("users", "user_id"), ("videos", "video_id")):
        other = "video_id" if table == "users" else "user_id"
        found = [
            (columns, group)
            for columns, group in scored[table]
            if group is not log and key in columns and other not in matches("impressions", group.rows.columns)
        ]
        if found:
            columns, group = max(found, key=lambda one: len(one[0]))
            mapped[table] = columns
            block[table] = _files(table, group, columns, questions)
    missing = [cost for name, cost in COSTS.items() if name not in mapping and name not in mapped]
    used = _columns(mapping)
    unused = [name for name in log.rows.columns if name not in used]
    return Proposal(block, log, mapped, unused, missing, questions)


def _files(table: str, group: Group, mapping: Mapping[str, Source], questions: list[str]) -> CommentedMap:
    """Return the block of one table; what a person has to look at goes to `questions`."""
    block = CommentedMap()
    if group.patterns:
        block["files"] = group.patterns[0] if len(group.patterns) == 1 else _line(list(group.patterns))
        block.yaml_add_eol_comment(f"{len(group.files)} file(s), {group.form}", "files")
    for key, value in group.layout.items():
        block[key] = _line(value) if isinstance(value, list) else value
    if "header" in group.layout:
        questions.append(f"{table}: the files have no header: give the columns their names under {table}.header")
    columns = CommentedMap()
    for name, source in mapping.items():
        columns[name] = source if isinstance(source, str) else _line(list(source))
        values = values_of(group.rows, source).drop_nulls()
        if len(values):
            columns.yaml_add_eol_comment(f"such as {str(values[0])[:40]!r}", name)
    block["columns"] = columns
    if "scene" in mapping:
        _add_scenes(table, block, values_of(group.rows, mapping["scene"]), questions)
    _add_units(table, block, group.rows, mapping, questions)
    if table != "impressions":
        others = [
            name for name in group.rows.columns if name not in _columns(mapping) and _is_category(group.rows[name])
        ]
        if others:
            block["categoricals"] = _line(others)
            block.yaml_add_eol_comment("kept as features", "categoricals")
    return block


def _marked(named: Mapping[str, str], rows: pl.DataFrame) -> tuple[dict[str, str], list[str]]:
    """Return the columns without one that is called a mark and is none, and what a person has to look at where it is."""
    column = named.get(SHOWN.name)
    if column is None:
        return dict(named), []
    said = set(rows[column].cast(pl.String()).str.strip_chars().str.to_lowercase().drop_nulls())
    if said <= {"0", "1", "true", "false"} and not said <= {"1", "true"}:
        return dict(named), [
            f"{column}: rows with 0 are taken for candidates that were not shown, which are no impressions; leave {SHOWN.name} out "
            "if only some of the candidates are written down"
        ]
    return {name: source for name, source in named.items() if name != SHOWN.name}, []


def _columns(mapping: Mapping[str, Source]) -> list[str]:
    """Return the columns of the file that are read."""
    return [name for source in mapping.values() for name in ((source,) if isinstance(source, str) else source)]


def _add_scenes(table: str, block: CommentedMap, values: pl.Series, questions: list[str]) -> None:
    """Number scenes that are words; leave the column out where they cannot be."""
    if values.dtype != pl.String or values.cast(pl.Int64, strict=False).null_count() == values.null_count():
        return
    names = sorted(values.drop_nulls().unique())
    if len(names) <= _MOST_SCENES:
        _set(table, block, "scenes", _line(names), "a scene's number is its place here", questions)
    if "scenes" not in block:
        questions.append(f"{table}: {values.name} holds {len(names)} words, so it is not taken for the scene")
        del block["columns"]["scene"]


def _add_units(
    table: str, block: CommentedMap, rows: pl.DataFrame, mapping: Mapping[str, Source], questions: list[str]
) -> None:
    times = next((mapping[name] for name in _TIMES if name in mapping), None)
    if times is not None:
        values = values_of(rows, times)
        unit, form = units.time_unit(values), units.time_format(values)
        if form is not None:
            _set(table, block, "time_format", form, f"{values.name} is written so", questions)
        elif unit is not None:
            _set(table, block, "time_unit", unit, f"{values.name} counts them since 1970", questions)
    for name, key in (("duration_ms", "duration_unit"), ("watch_ms", "watch_unit")):
        if name not in mapping:
            continue
        (column,) = _columns({name: mapping[name]})
        said, seen = unit_of(column), units.length_unit(rows[column])
        if said and seen and said != seen:
            questions.append(
                f"{table}: {column} is named as if in {said}, and its values look like {seen}: check {key}"
            )
        unit = said or seen
        if unit and unit != block.get("duration_unit"):
            key = key if "duration_unit" in block or "duration_ms" in mapping else "duration_unit"
            middle = units.median(rows[column])
            _set(table, block, key, unit, f"the median of {column} is {middle:g}" if middle else column, questions)


def _set(table: str, block: CommentedMap, key: str, value: Any, why: str, questions: list[str]) -> None:
    """Set a key where the configuration knows it."""
    if key not in TableFiles.model_fields:
        questions.append(f"{table}: {why}, which cannot be declared ({key}: {value}): write the column in another form")
        return
    block[key] = value
    block.yaml_add_eol_comment(why, key)


def _is_category(values: pl.Series) -> bool:
    return values.dtype == pl.String and 1 < values.n_unique() <= min(_MOST_LEVELS, max(2, len(values) // 2))


def _line(values: list[Any]) -> CommentedSeq:
    found = CommentedSeq(values)
    found.fa.set_flow_style()
    return found
