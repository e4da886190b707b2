"""Where impressions come from: one block per kind of source, told apart by `kind`."""

from typing import Annotated, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, field_validator, model_validator

from models.ranges import Number, Whole
from tasks.core.settings import Block
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


ColumnMap = dict[str, str | ConstantValue]
"""contract column -> column of the file, or one value for every row"""


class TableFiles(Block):
    """Some Parquet or CSV files of one schema, and what their columns mean."""

    files: tuple[str, ...] = Field(min_length=1)
    """paths or globs below `path`; .parquet, .csv, .csv.gz"""
    columns: ColumnMap
    """contract column -> column of the file, or {constant: value}"""
    categoricals: tuple[str, ...] = ()
    """further columns of a users or videos table to keep as categorical features"""
    time_unit: Literal["s", "ms"] = "ms"
    """unit of numeric times (text and timestamps need none)"""
    duration_unit: Literal["s", "ms"] = "ms"
    """unit of duration and watch time"""

    @field_validator("files", mode="before")
    @classmethod
    def _listed(cls, files: object) -> object:
        return (files,) if isinstance(files, str) else files


class TableSourceConfig(Block):
    """Any log in Parquet or CSV files, mapped to the contract column by column."""

    kind: Literal["table"] = "table"
    path: str
    """folder that the files are named from"""
    timezone: str = "UTC"
    """days begin at midnight here; times without a zone are read in it"""
    impressions: TableFiles
    users: TableFiles | None = None
    """None: every user of the log, without features"""
    videos: TableFiles | None = None
    """None: every video of the log, with the longest duration logged for it and without features"""

    @model_validator(mode="after")
    def _contract_columns(self) -> "TableSourceConfig":
        from tasks.core.contract import TABLES  # imports polars, which other sources do not need here

        for table in TABLES:
            files: TableFiles | None = getattr(self, table)
            known = [column.name for column in TABLES[table]]
            unknown = sorted(set(files.columns) - set(known)) if files else []
            if unknown:
                raise ValueError(
                    f"{table}.columns: the contract has no column {unknown[0]!r} (valid: {', '.join(known)})"
                )
        return self

    @field_validator("timezone")
    @classmethod
    def _exists(cls, timezone: str) -> str:
        try:
            ZoneInfo(timezone)
        except (ZoneInfoNotFoundError, ValueError) as error:
            raise ValueError(f"unknown time zone {timezone!r}; use a name such as 'Asia/Shanghai' or 'UTC'") from error
        return timezone


SourceConfig = Annotated[
    KuaiRandConfig | KuaiRecConfig | TableSourceConfig | SimulatorConfig, Field(discriminator="kind")
]
"""One source of `params.yaml`."""
