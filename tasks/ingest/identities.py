"""The text of identifiers that are no numbers, kept beside the rows: one table per day, and one of the side tables."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import polars as pl

from tasks.core.errors import SourceError
from tasks.core.identities import SCHEMA
from tasks.ingest.columns.reading import Reading

_WRITTEN = " as written"


def with_written(frame: pl.LazyFrame, columns: Sequence[pl.Expr], readings: Mapping[str, Reading]) -> pl.LazyFrame:
    """Select columns and, beside identifiers, their text where they are no numbers.

    Args:
        frame: rows of a file.
        columns: what to select; the identifiers among them under their names in the contract.
        readings: contract column -> how it is read.
    """
    written = {name: reading.written for name, reading in readings.items() if reading.written is not None}
    both = frame.select(*columns, **{name + _WRITTEN: text for name, text in written.items()})
    return both.with_columns(pl.when(pl.col(name) < 0).then(name + _WRITTEN).alias(name + _WRITTEN) for name in written)


def texts(frame: pl.DataFrame) -> pl.DataFrame:
    """Return a frame's columns of text."""
    return frame.select(name for name in frame.columns if name.endswith(_WRITTEN))


def without(frame: pl.DataFrame) -> pl.DataFrame:
    """Return a frame without the columns of text."""
    return frame.drop([name for name in frame.columns if name.endswith(_WRITTEN)])


def found(frames: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """Return what the columns of text say, each identifier of a frame once, by kind and code."""
    parts = [
        frame.select(
            kind=pl.lit(name.removesuffix(_WRITTEN)), code=pl.col(name.removesuffix(_WRITTEN)), text=pl.col(name)
        )
        .drop_nulls("text")
        .unique(["code", "text"])
        .sort("code")
        for frame in frames
        for name in sorted(frame.columns)
        if name.endswith(_WRITTEN)
    ]
    return pl.concat([pl.DataFrame(schema=SCHEMA), *parts])


def refuse_collisions(folder: Path) -> None:
    """Check that no two identifiers of one kind have the same code.

    Raises:
        SourceError: naming two that have.
    """
    known = pl.scan_parquet(folder / "*.parquet", hive_partitioning=False)
    texts = known.group_by("kind", "code").agg(first=pl.col("text").min(), last=pl.col("text").max())
    shared = texts.filter(pl.col("first") != pl.col("last")).sort("kind", "code").head(1).collect(engine="streaming")
    for kind, code, first, last in shared.iter_rows():
        raise SourceError(
            f"{kind} {first!r} and {last!r} have one code ({code}), so their rows would become one: write one of them in "
            "another way"
        )
