"""Mend users and videos: levels that only stand for "not known" become one level, and everything odd is counted."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import polars as pl

from tasks.core.contract import TABLES
from tasks.core.files import writing
from tasks.validate.chunks import ParquetSink, read_chunks
from tasks.validate.config import MendConfig
from tasks.validate.profile import Histograms, add_histograms

UNKNOWN = "unknown"


@dataclass(frozen=True)
class ColumnRule:
    """One named rule about a column of a side table.

    Attributes:
        level: "mend" replaces what it finds by UNKNOWN; "note" only counts.
        why: one sentence for the person who reads the report.
        found: the expression of a column that is true where the rule applies, or None where it has nothing to say.
    """

    level: Literal["mend", "note"]
    why: str
    found: Callable[[str, pl.DataType, MendConfig], pl.Expr | None]


def _sentinel(column: str, dtype: pl.DataType, config: MendConfig) -> pl.Expr | None:
    values = config.sentinels.get(column)
    return pl.col(column).is_in(list(values)) if values and dtype == pl.String() else None


def _unknown_level(column: str, dtype: pl.DataType, config: MendConfig) -> pl.Expr | None:
    return pl.col(column).is_in(list(config.unknown_levels)) if dtype == pl.String() else None


def _null_level(column: str, dtype: pl.DataType, config: MendConfig) -> pl.Expr | None:
    return pl.col(column).is_null()


def _joined_tags(column: str, dtype: pl.DataType, config: MendConfig) -> pl.Expr | None:
    return pl.col(column).str.contains(",", literal=True) if column == "tag" else None


def _zero_duration(column: str, dtype: pl.DataType, config: MendConfig) -> pl.Expr | None:
    return pl.col(column) <= 0 if column == "duration_ms" else None


COLUMN_RULES: dict[str, ColumnRule] = {
    "sentinel": ColumnRule("mend", "a number that stands for 'not known', such as -124", _sentinel),
    "unknown_level": ColumnRule("mend", "a level that stands for 'not known', such as UNKNOWN", _unknown_level),
    "null_level": ColumnRule("note", "null; kept, features give it a level of its own", _null_level),
    "joined_tags": ColumnRule(
        "note", "several tags in one value, joined by commas; kept, features take them apart", _joined_tags
    ),
    "zero_catalogue_duration": ColumnRule("note", "the catalogue gives a duration of zero or less", _zero_duration),
}


def mend(frame: pl.DataFrame, config: MendConfig) -> tuple[pl.DataFrame, Histograms]:
    """Return a side table with its mends, and rule -> column -> values found (rules and columns without any left out)."""
    counts: Histograms = {}
    mended: dict[str, pl.Expr] = {}
    for name, rule in COLUMN_RULES.items():
        for column, dtype in frame.schema.items():
            found = rule.found(column, dtype, config)
            if found is None:
                continue
            rows = int(frame.select(found.sum()).item() or 0)
            if rows:
                counts.setdefault(name, {})[column] = rows
            if rows and rule.level == "mend":
                mended[column] = pl.when(found).then(pl.lit(UNKNOWN)).otherwise(mended.get(column, pl.col(column)))
    return frame.with_columns(expression.alias(column) for column, expression in mended.items()), counts


def mend_table(source: Path, table: str, config: MendConfig, target: Path) -> dict[str, Any]:
    """Write the mended side table.

    Args:
        source: raw users.parquet, videos.parquet or traits.parquet.
        table: users, videos or traits.
        config: what counts as "not known".
        target: file to write.

    Returns:
        rows, and what each rule found per column.

    Raises:
        SourceError: if the file is damaged.
        StorageError: if the target cannot be written.
    """
    found: Histograms = {}
    with writing(target) as temporary, ParquetSink(temporary, pl.Schema(pl.read_parquet_schema(source))) as sink:
        for chunk in read_chunks(source):
            mended, counts = mend(chunk, config)
            sink.write(mended)
            found = add_histograms([found, counts])
    return {"table": table, "key": TABLES[table][0].name, "rows": sink.rows, "found": found}
