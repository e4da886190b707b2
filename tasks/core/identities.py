"""Identifiers as their source writes them: the tables that ingest leaves beside the rows."""

from pathlib import Path

import polars as pl

SCHEMA = {"kind": pl.String(), "code": pl.Int64(), "text": pl.String()}
"""Columns of the tables: a contract column, the code it holds in a row, and what the source wrote there."""


def texts_of(folder: Path, kind: str, codes: pl.Series) -> pl.DataFrame:
    """Return code and text of those identifiers that the source did not write as a number; memory is that of `codes`.

    Args:
        folder: data/raw/identities.
        kind: column of the contract.
        codes: the codes in question.
    """
    wanted = pl.LazyFrame({"code": codes.unique()})
    known = pl.scan_parquet(folder / "*.parquet", hive_partitioning=False).filter(pl.col("kind") == kind)
    texts = known.join(wanted, on="code", how="semi").select("code", "text").unique(subset="code")
    return texts.collect(engine="streaming").sort("code")
