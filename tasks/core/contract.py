"""The one typed schema that every source is adapted to.

Times are integers: milliseconds since 1970-01-01 UTC. Days are calendar days of the source's own time zone.
A partition holds the rows that *arrived* on one day; late rows stay in the day they arrive in.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import polars as pl

from tasks.core.errors import ContractError


@dataclass(frozen=True)
class Column:
    """One column of the contract: its type, whether a null is allowed, and what it means."""

    name: str
    dtype: pl.DataType
    nullable: bool
    meaning: str


IMPRESSIONS: tuple[Column, ...] = (
    Column("user_id", pl.Int64(), False, "who was shown the video"),
    Column("video_id", pl.Int64(), False, "the video shown"),
    Column("event_time_ms", pl.Int64(), False, "when it was shown"),
    Column("known_at_ms", pl.Int64(), False, "when the row was in the log: nothing may use it for an earlier time"),
    Column("duration_ms", pl.Int64(), True, "length of the video"),
    Column("watch_ms", pl.Int64(), False, "time played, replays included (may exceed the duration)"),
    Column("scene", pl.Int16(), False, "page of the product the impression happened on"),
    Column("policy", pl.String(), False, "'standard' recommender or uniformly 'random' exposure"),
    Column("position", pl.Int16(), True, "slot in the list shown, from 0; moves exposure, not preference"),
    Column("exposure_probability", pl.Float64(), True, "logged probability of this exposure, where the policy logs it"),
    Column("click", pl.Int8(), False, "0/1"),
    Column("like", pl.Int8(), False, "0/1"),
    Column("follow", pl.Int8(), False, "0/1"),
    Column("comment", pl.Int8(), False, "0/1"),
    Column("forward", pl.Int8(), False, "0/1"),
    Column("hate", pl.Int8(), False, "0/1"),
    Column("profile_enter", pl.Int8(), False, "0/1"),
    Column("long_view", pl.Int8(), True, "0/1 as recorded; null: derived from watch and duration"),
)
"""Columns of one impression, in order. Key: (user_id, video_id, event_time_ms). Further ones: `CONTEXT_PREFIX`."""

SHOWN = Column(
    "shown", pl.Int8(), False, "0/1: 0 where the video was a candidate and was not shown, so that nothing came of it"
)
"""What a log may say of its rows: those with 0 are no impressions, and are kept apart as `CANDIDATES`."""

CANDIDATES = tuple(
    column
    for column in IMPRESSIONS
    if column.name in ("user_id", "video_id", "event_time_ms", "known_at_ms", "duration_ms", "scene", "position")
)
"""What of a candidate that was not shown is kept, beside its context."""

USERS: tuple[Column, ...] = (Column("user_id", pl.Int64(), False, "key"),)
"""Columns every users table has; any further String column is a categorical feature of the user."""

VIDEOS: tuple[Column, ...] = (
    Column("video_id", pl.Int64(), False, "key"),
    Column("author_id", pl.Int64(), True, "who uploaded it"),
    Column("upload_time_ms", pl.Int64(), True, "when it was uploaded"),
    Column("duration_ms", pl.Int64(), True, "length, where the catalogue knows it"),
    Column("music_id", pl.Int64(), True, "soundtrack"),
    Column("tag", pl.String(), True, "topic labels, comma-joined"),
)
"""Columns every videos table has; any further String column is a categorical feature, `CONTENT` a vector."""

TRAITS: tuple[Column, ...] = (
    Column("user_id", pl.Int64(), False, "key"),
    Column(
        "consent", pl.Int8(), False, "1: the user agrees that the values are used; 0, or nothing: they are not read"
    ),
    Column("consent_time_ms", pl.Int64(), True, "when the user last agreed or withdrew; nothing: as if never agreed"),
    Column("recorded_time_ms", pl.Int64(), True, "when the values were recorded: their retention counts from it"),
)
"""Columns every table of sensitive attributes of users has; further String and Float32 columns are the attributes."""

CONTENT = "content"
"""Column of videos that holds a vector of what they show or say, all of one width, List(Float32); text there is a category."""
CONTENT_VECTOR = "content_vector"
"""Its name among features, where a category may be called `content`."""

CONTEXT_PREFIX = "context_"
"""Begins the names of further String columns of impressions, each a categorical feature known when the row was shown."""

KEY = ("user_id", "video_id", "event_time_ms")
FLAGS = ("click", "like", "follow", "comment", "forward", "hate", "profile_enter")
POLICIES = ("standard", "random")
IMPLAUSIBLE_TIME = "implausible_time"
"""Why a row is set aside whose time cannot be: by ingest where it has no day, by validation where only its event has none."""

TABLES = {"impressions": IMPRESSIONS, "users": USERS, "videos": VIDEOS, "traits": TRAITS}
MARKS: dict[str, tuple[Column, ...]] = {"impressions": (SHOWN,), "users": (), "videos": (), "traits": ()}
"""What a log may say of a table's rows that is no column of them."""


def polars_schema(table: str) -> dict[str, pl.DataType]:
    """Return column name -> Polars type of one of the contract's tables."""
    return {column.name: column.dtype for column in TABLES[table]}


def context_names(columns: Iterable[str]) -> list[str]:
    """Return the further columns of impressions among some columns, sorted."""
    return sorted(name for name in columns if name.startswith(CONTEXT_PREFIX))


def impressions_schema(columns: Iterable[str]) -> dict[str, pl.DataType]:
    """Return column name -> Polars type of impressions that have some further columns."""
    return polars_schema("impressions") | dict.fromkeys(context_names(columns), pl.String())


def candidates_schema(columns: Iterable[str]) -> dict[str, pl.DataType]:
    """Return column name -> Polars type of candidates beside impressions that have some further columns."""
    return {column.name: column.dtype for column in CANDIDATES} | dict.fromkeys(context_names(columns), pl.String())


def conform(frame: pl.LazyFrame, table: str, where: str) -> pl.LazyFrame:
    """Order and cast a frame to the contract; further String columns are kept, sorted by name (of impressions: context; of traits
    also Float32).

    Args:
        frame: any frame that holds the contract's columns under their names.
        table: impressions, users, videos or traits.
        where: the source and file, for the message.

    Raises:
        ContractError: if a column is missing or holds a type that cannot be cast.
    """
    present = frame.collect_schema()
    missing = [column.name for column in TABLES[table] if column.name not in present]
    if missing:
        raise ContractError(
            f"{where}: the {table} table lacks {', '.join(missing)}; it has {', '.join(present.names())}"
        )
    chosen = [pl.col(column.name).cast(column.dtype, strict=True) for column in TABLES[table]]
    if table == "impressions":
        chosen += [pl.col(name).cast(pl.String(), strict=True) for name in context_names(present)]
    else:
        kept = (pl.String(), pl.Float32()) if table == "traits" else (pl.String(),)
        extra = sorted(name for name, dtype in present.items() if dtype in kept and name not in polars_schema(table))
        chosen += [pl.col(name) for name in extra]
        if CONTENT in present and CONTENT not in extra:
            chosen.append(pl.col(CONTENT).cast(pl.List(pl.Float32())))
    return frame.select(chosen)
