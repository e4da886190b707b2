"""Users and videos tables from files: identifiers, a few typed columns, the rest as text categories."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import polars as pl

from tasks.core.contract import conform
from tasks.core.errors import ContractError, SourceError
from tasks.core.layout import partition
from tasks.ingest.forms.form import Form

PERIOD_STATISTICS = "video_features_statistic"


def refuse_statistics(name: str) -> None:
    """Refuse KuaiRand's whole-period statistics as a source of features.

    Raises:
        ContractError: with the reason.
    """
    if Path(name).name.startswith(PERIOD_STATISTICS):
        raise ContractError(
            f"{name} cannot be a source: it holds averages over the whole month, so every row would know the future "
            "(look-ahead); take it out of the configuration, the features stage computes point-in-time statistics itself"
        )


def whole(name: str) -> pl.Expr:
    """Return a text column as whole numbers ("7", "7.0"); null where it is none."""
    return pl.col(name).cast(pl.Float64(), strict=False).round().cast(pl.Int64(), strict=False)


def category(name: str) -> pl.Expr:
    """Return a column as text categories: "1.0" becomes "1", null stays null."""
    return pl.col(name).cast(pl.String()).str.replace(r"^(-?\d+)\.0+$", "$1").alias(name)


def identifiers(name: str) -> pl.Expr:
    """Return a text column as identifiers; null where it is none. Exact beyond 2^53, unlike `whole`."""
    return pl.col(name).cast(pl.String()).str.replace(r"\.0+$", "").cast(pl.Int64(), strict=False)


def read_table(
    file: Form,
    frame: pl.LazyFrame,
    table: str,
    columns: Mapping[str, pl.Expr],
    origin: Mapping[str, str],
    categories: Sequence[str],
    may_be_empty: bool = False,
) -> pl.DataFrame:
    """Return a side table as the contract has it, sorted by its key.

    Args:
        file: where the rows come from.
        frame: its rows as they are, or what was made of them.
        table: users or videos.
        columns: contract column -> expression; null where a value cannot be read.
        origin: contract column -> file column.
        categories: file columns to keep as text categories.
        may_be_empty: whether it is one of several, any of which may hold no rows.

    Raises:
        SourceError: if the file cannot be read, holds a value that is not what its column is for, or a key twice.
    """
    path, key = file.path, "user_id" if table == "users" else "video_id"
    raw = {f"raw {name}": pl.col(source) for name, source in origin.items()}
    chosen = [expression.alias(name) for name, expression in columns.items()]
    with file.reading():
        file.check()
        rows = frame.select(*chosen, *(category(name) for name in categories), **raw).collect(engine="streaming")
    for name, source in origin.items():
        absent = pl.col(f"raw {name}").is_null() if name == key else pl.lit(False)
        wrong = rows.with_row_index().filter(pl.col(name).is_null() & (pl.col(f"raw {name}").is_not_null() | absent))
        if wrong.height:
            row, value = wrong[["index", f"raw {name}"]].row(0)
            where = file.place(row) if frame is file.frame else f"row {row + 1}"
            raise SourceError(
                f"{path}, {where}: column {source!r} holds {value!r}, which cannot be read as {name}; "
                f"{file.remedy(value)}"
            )
    if rows.is_empty() and not may_be_empty:
        raise SourceError(f"{path} holds no rows: deliver the file again")
    twice = rows.filter(pl.col(key).is_duplicated())[key]
    if len(twice):
        raise SourceError(
            f"{path} names {key} {twice[0]} more than once ({twice.n_unique()} such ids): keep one row each"
        )
    return conform(rows.drop(list(raw)).lazy(), table, str(path)).collect().sort(key)


def seen(impressions: Path, days: Sequence[object], *columns: str) -> pl.LazyFrame:
    """Scan some columns of the partitions of some days."""
    parts = [partition(impressions, day) for day in days]  # type: ignore[arg-type]
    return pl.scan_parquet(parts, hive_partitioning=False).select(columns)
