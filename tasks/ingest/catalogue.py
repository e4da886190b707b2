"""Users and videos tables from files: identifiers, a few typed columns, the rest as text categories."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import polars as pl

from tasks.core.contract import TABLES, conform
from tasks.core.errors import ContractError, SourceError
from tasks.core.layout import partition
from tasks.ingest.columns.reading import Reading
from tasks.ingest.forms.form import Form
from tasks.ingest.identities import texts, with_written

_CATEGORY = "category "
"""Before the names of categories, which are the user's, while they stand beside columns that are ours."""
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


def read_table(
    file: Form,
    frame: pl.LazyFrame,
    table: str,
    readings: Mapping[str, Reading],
    categories: Mapping[str, pl.Expr],
    others: Mapping[str, pl.Expr] | None = None,
    may_be_empty: bool = False,
) -> pl.DataFrame:
    """Return a side table as the contract has it, sorted by its key; beside identifiers that are no numbers, their text.

    Args:
        file: where the rows come from.
        frame: its rows as they are, or what was made of them.
        table: users, videos or traits.
        readings: contract column -> how it is read.
        categories: columns to keep as text categories.
        others: contract column -> what it is made from in another way.
        may_be_empty: whether it is one of several, any of which may hold no rows.

    Raises:
        SourceError: if the file cannot be read, holds a value that is not what its column is for, or a key twice.
    """
    path, key = file.path, TABLES[table][0].name
    columns = {**(others or {}), **{name: reading.value for name, reading in readings.items()}}
    chosen = [expression.alias(name) for name, expression in columns.items()]
    chosen += [expression.alias(_CATEGORY + name) for name, expression in categories.items()]
    given = [reading.given.alias(f"given {name}") for name, reading in readings.items()]
    wrong = [reading.wrong.alias(f"wrong {name}") for name, reading in readings.items()]
    with file.reading():
        file.check()
        rows = with_written(frame, [*chosen, *given, *wrong], readings).collect(engine="streaming")
    problems = []
    for name, reading in readings.items():
        without_key = pl.col(name).is_null() if name == key else pl.lit(False)
        bad = rows.select(name, "^(wrong|given) .*$").with_row_index().filter(pl.col(f"wrong {name}") | without_key)
        if bad.height:
            values = bad[f"given {name}"].head(3).to_list()
            said = reading.refusal(name, values, bad.height, file.remedy(values[0]))
            row = int(bad["index"][0])
            where = file.place(row) if frame is file.frame else f"row {row + 1}"
            problems.append(f"{path}, {where}: {said}")
    if problems:
        raise SourceError("\n".join(problems))
    if rows.is_empty() and not may_be_empty:
        raise SourceError(f"{path} holds no rows: deliver the file again")
    twice = rows.filter(pl.col(key).is_duplicated())
    if twice.height:
        name = twice[f"given {key}"][0]
        raise SourceError(
            f"{path} names {key} {name} more than once ({twice[key].n_unique()} such ids): keep one row each"
        )
    kept = [pl.col(_CATEGORY + name).alias(name) for name in categories]
    conformed = conform(rows.select(*columns, *kept).lazy(), table, str(path)).collect()
    return pl.concat([conformed, texts(rows)], how="horizontal").sort(key)


def seen(impressions: Path, days: Sequence[object], *columns: str) -> pl.LazyFrame:
    """Scan some columns of the partitions of some days."""
    parts = [partition(impressions, day) for day in days]  # type: ignore[arg-type]
    return pl.scan_parquet(parts, hive_partitioning=False).select(columns)
