"""Where impressions come from: one block per kind of source, told apart by `kind`."""

import codecs
import re
from collections.abc import Iterator
from typing import Annotated, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, field_validator, model_validator

from models.ranges import Number, Whole
from tasks.core.settings import Block
from tasks.core.traits import Trait
from tasks.simulate.config import SimulatorConfig


class KuaiRandConfig(Block):
    """KuaiRand in its official layout (Gao et al., CIKM 2022): standard-policy logs and, where present, the random log."""

    kind: Literal["kuairand"] = "kuairand"
    path: str = "datasets/KuaiRand-Pure"
    """the folder that holds data/, or data/ itself"""
    variant: Literal["pure", "1k", "27k"] = "pure"
    """suffix of the file names"""
    timezone: Literal["Asia/Shanghai"] = "Asia/Shanghai"
    """days and hours of the log are read in it"""


class KuaiRecConfig(Block):
    """KuaiRec in its official layout (Gao et al., CIKM 2022)."""

    kind: Literal["kuairec"] = "kuairec"
    path: str = "datasets/KuaiRec"
    """the folder that holds data/, or data/ itself"""
    matrices: tuple[Literal["big", "small"], ...] = Field(default=("big",), min_length=1)
    """big: the logged matrix; small: the fully observed one, whose rows count as uniformly exposed"""
    timezone: Literal["Asia/Shanghai"] = "Asia/Shanghai"
    """days begin at midnight here"""

    @field_validator("matrices")
    @classmethod
    def _distinct(cls, matrices: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(matrices)) != len(matrices):
            raise ValueError(f"a matrix is named twice: {', '.join(matrices)}")
        return matrices


class ConstantValue(Block):
    """One value for every row."""

    constant: Annotated[Whole | Number, Field(ge=-(2**63), le=2**64 - 1)] | str
    """that value"""


ColumnMap = dict[str, str | Annotated[tuple[str, ...], Field(min_length=2, max_length=2)] | ConstantValue]
"""contract column -> column of the file, [column of dates, column of times of day], or one value for every row"""


_PARTS_OF_A_DAY = ("%[Yy]", "%[mbB]", "%[de]")


class FileLayout(Block):
    """How files are written, where their names and first bytes do not say it."""

    format: Literal["csv", "jsonl", "parquet"] | None = None
    """null: as the bytes and the last suffix of a file's name say. Compression (gz, zst, bz2) is seen from the bytes"""
    delimiter: Literal[",", ";", "\t", "|"] | None = None
    """between the fields of text; null: a tab in .tsv files, else a comma"""
    quote: str = Field(default='"', max_length=1)
    """around fields of text that hold a delimiter; '': none, so that it is an ordinary character"""
    header: tuple[str, ...] | None = Field(default=None, min_length=1)
    """names of the columns of text whose first line is no header"""
    encoding: str = "utf-8"
    """of text, such as gbk or cp1252; UTF-16 is seen from its byte-order mark"""
    null_values: tuple[str, ...] = ()
    """texts that stand for no value, such as \\N or NULL; an empty field always does"""

    @field_validator("encoding")
    @classmethod
    def _known(cls, encoding: str) -> str:
        try:
            codec = codecs.lookup(encoding)
        except LookupError as error:
            raise ValueError(f"unknown encoding {encoding!r}; use a name such as utf-8, gbk or cp1252") from error
        if not codec._is_text_encoding:
            raise ValueError(f"{encoding!r} is no encoding of text; use a name such as utf-8, gbk or cp1252")
        return encoding

    @field_validator("header")
    @classmethod
    def _distinct(cls, header: tuple[str, ...] | None) -> tuple[str, ...] | None:
        twice = sorted({name for name in header or () if header and header.count(name) > 1})
        if twice:
            raise ValueError(f"a column is named twice: {', '.join(twice)}")
        return header

    @field_validator("null_values", mode="before")
    @classmethod
    def _one_or_more(cls, values: object) -> object:
        return (values,) if isinstance(values, str) else values


class TableFiles(FileLayout):
    """Some files of one schema, and what their columns mean."""

    files: tuple[str, ...] = ()
    """files, folders or globs below `path`; the folders of day=2024-03-01/ are read as a column `day`. Needed unless `path`
    is one file"""
    columns: ColumnMap
    """contract column -> column of the file, or {constant: value}"""
    categoricals: tuple[str, ...] = ()
    """further columns to keep as categorical features; those of impressions are named context_ and their name from then on"""
    time_unit: Literal["auto", "s", "ms", "us", "ns"] = "ms"
    """unit of numeric times, confirmed by a file's first ones; auto: the one unit in which most of them lie in this century"""
    time_format: str | None = None
    """form of times in text or digits, as strftime has it, such as '%d/%m/%Y %H:%M:%S'; null: ISO 8601"""
    duration_unit: Literal["s", "ms", "us", "ns"] = "ms"
    """unit of numeric durations"""
    watch_unit: Literal["s", "ms", "us", "ns"] | None = None
    """unit of numeric watch times; null: that of durations"""
    scenes: tuple[str, ...] = Field(default=(), max_length=2**15 - 1)
    """scenes as the column names them, if it names them in text; a scene's number is its place here"""

    @field_validator("time_format")
    @classmethod
    def _names_a_day(cls, form: str | None) -> str | None:
        day = ("%F" in form or "%D" in form or all(re.search(part, form) for part in _PARTS_OF_A_DAY)) if form else True
        if not day:
            raise ValueError(
                f"time_format {form!r} does not name a day: it must hold a year, a month and a day (%Y, %m, %d)"
            )
        return form

    @field_validator("files", mode="before")
    @classmethod
    def _listed(cls, files: object) -> object:
        return (files,) if isinstance(files, str) else files

    @field_validator("files")
    @classmethod
    def _below(cls, files: tuple[str, ...]) -> tuple[str, ...]:
        for pattern in files:
            if pattern.startswith("/") or ".." in pattern.split("/"):
                raise ValueError(f"{pattern!r} leads out of the source's path: set the path to a folder above it")
        return files

    @field_validator("categoricals")
    @classmethod
    def _once(cls, categoricals: tuple[str, ...]) -> tuple[str, ...]:
        twice = sorted({name for name in categoricals if categoricals.count(name) > 1})
        if twice:
            raise ValueError(f"a column is named twice: {', '.join(twice)}")
        reserved = [name for name in categoricals if name.endswith(" as written")]
        if reserved:
            raise ValueError(f"{reserved[0]!r} ends as columns of dwell's own do ( as written): rename it")
        return categoricals


class TraitFiles(TableFiles):
    """Sensitive attributes of users, and who agreed to what: one row per user."""

    traits: dict[str, Trait] = Field(min_length=1)
    """column of the files -> what it holds, what for and for how long"""

    @model_validator(mode="after")
    def _with_consent(self) -> "TraitFiles":
        from tasks.core.contract import TABLES, TRAITS  # imports polars, which other sources do not need here

        missing = [column.name for column in TRAITS if column.name not in self.columns]
        if missing:
            raise ValueError(
                f"columns must map {', '.join(missing)}: without consent, its time and that of recording no value may be read"
            )
        for name in ("consent", "consent_time_ms"):
            if isinstance(self.columns[name], ConstantValue):
                raise ValueError(f"columns.{name}: nobody consents for all users: map a column of the files")
        if self.categoricals:
            raise ValueError("categoricals: every further column of this table is declared under traits")
        known = {column.name for table in TABLES.values() for column in table}
        for name in self.traits:
            if name in known or name.endswith(" as written"):
                raise ValueError(f"traits: {name!r} is a name of dwell's own: rename the column")
        return self


def _columns_of(files: TableFiles) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Yield the columns of files that are named, each with the keys that lead there."""
    for column, given in files.columns.items():
        for name in (given,) if isinstance(given, str) else given if isinstance(given, tuple) else ():
            yield ("columns", column), name
    yield from ((("categoricals", place), name) for place, name in enumerate(files.categoricals))
    yield from ((("traits", name), name) for name in getattr(files, "traits", ()))


class TableSourceConfig(Block):
    """Any log in Parquet, CSV or JSON lines, mapped to the contract column by column."""

    kind: Literal["table"] = "table"
    path: str
    """folder that the files are named from, or the one file of the log"""
    timezone: str = "UTC"
    """days begin at midnight here; times without a zone are read in it"""
    impressions: TableFiles
    users: TableFiles | None = None
    """None: every user of the log, without features"""
    videos: TableFiles | None = None
    """None: every video of the log, with the longest duration logged for it and without features"""
    traits: TraitFiles | None = Field(default=None, exclude_if=lambda files: files is None)
    """sensitive attributes of users, read of those alone who agreed; None: none"""

    @model_validator(mode="after")
    def _contract_columns(self) -> "TableSourceConfig":
        from tasks.core.contract import MARKS, TABLES  # imports polars, which other sources do not need here

        for table in TABLES:
            files: TableFiles | None = getattr(self, table)
            known = [column.name for column in (*TABLES[table], *MARKS[table])]
            unknown = sorted(set(files.columns) - set(known)) if files else []
            if unknown:
                raise ValueError(
                    f"{table}.columns: the contract has no column {unknown[0]!r} (valid: {', '.join(known)})"
                )
            if files is not None:
                for name, source in files.columns.items():
                    _check_source(f"{table}.columns.{name}", name, source, files)
            taken = sorted(set(files.categoricals) & set(known)) if files else []
            if taken:
                raise ValueError(
                    f"{table}.categoricals: {taken[0]!r} is a column of the contract; take it out, or map it under {table}.columns"
                )
        for table in ("impressions", "users", "videos") if self.traits else ():
            given: TableFiles | None = getattr(self, table)
            twice = sorted(set(given.categoricals) & set(self.traits.traits)) if given and self.traits else []
            if twice:
                raise ValueError(
                    f"{table}.categoricals: {twice[0]!r} is declared under traits, and would be read here without consent: take "
                    "it out"
                )
        return self

    def patterns(self) -> Iterator[tuple[tuple[str | int, ...], str]]:
        """Yield columns of files, each with the keys that lead there, whose names Polars would take for a pattern."""
        for table in ("impressions", "users", "videos", "traits"):
            files: TableFiles | None = getattr(self, table)
            if files is not None:
                for keys, name in _columns_of(files):
                    if name == "*" or (name.startswith("^") and name.endswith("$")):
                        yield (table, *keys), name

    @field_validator("timezone")
    @classmethod
    def _exists(cls, timezone: str) -> str:
        try:
            ZoneInfo(timezone)
        except (ZoneInfoNotFoundError, ValueError) as error:
            raise ValueError(f"unknown time zone {timezone!r}; use a name such as 'Asia/Shanghai' or 'UTC'") from error
        return timezone


def _check_source(key: str, name: str, source: object, files: TableFiles) -> None:
    """Check what a contract column is mapped to.

    Raises:
        ValueError: if a constant is not of the column's type, or a column that is no time is made of two.
    """
    import polars as pl

    from tasks.core.contract import SHOWN, TABLES

    if name == SHOWN.name and isinstance(source, ConstantValue):
        raise ValueError(f"{key}: a log of which every row is alike says nothing by it: leave {name} out")
    if isinstance(source, tuple) and not name.endswith(("_time_ms", "_at_ms")):
        raise ValueError(f"{key}: only times are made of two columns, got {list(source)}")
    if not isinstance(source, ConstantValue) or name.endswith("_id"):
        return
    value, column = source.constant, next(c for table in TABLES.values() for c in table if c.name == name)
    if name == "scene" and files.scenes:
        if str(value) not in files.scenes:
            raise ValueError(f"{key}: scenes do not name {value!r} (they are {', '.join(files.scenes)})")
        return
    try:
        pl.Series([value], dtype=column.dtype, strict=True)
    except (TypeError, OverflowError, pl.exceptions.PolarsError):
        raise ValueError(f"{key}: constant {value!r} is no {column.dtype} ({column.meaning})") from None


SourceConfig = Annotated[
    KuaiRandConfig | KuaiRecConfig | TableSourceConfig | SimulatorConfig, Field(discriminator="kind")
]
"""One source of `params.yaml`."""
