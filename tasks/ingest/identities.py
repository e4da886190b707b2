"""The text of identifiers that are no numbers, kept beside the rows: one table per day, and one of the side tables."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import polars as pl

from tasks.core.errors import SourceError
from tasks.core.identities import SCHEMA
from tasks.ingest.columns.reading import Reading

_WRITTEN = " as written"


def written(readings: Mapping[str, Reading]) -> list[pl.Expr]:
    """Return the columns that carry identifiers' text along with their rows."""
    return [reading.written.alias(name + _WRITTEN) for name, reading in readings.items() if reading.written is not None]


def without(frame: pl.DataFrame) -> pl.DataFrame:
    """Return a frame without the columns that `written` added."""
    return frame.drop([name for name in frame.columns if name.endswith(_WRITTEN)])


def found(frames: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """Return what the columns that `written` added say, each identifier once, in order: kind, code, text."""
    parts = [
        frame.select(
            pl.lit(name.removesuffix(_WRITTEN)).alias("kind"),
            pl.col(name.removesuffix(_WRITTEN)).alias("code"),
            pl.col(name).alias("text"),
        )
        .drop_nulls("text")
        .unique()
        for frame in frames
        for name in frame.columns
        if name.endswith(_WRITTEN)
    ]
    return pl.concat([pl.DataFrame(schema=SCHEMA), *parts]).unique().sort("kind", "code", "text")


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
