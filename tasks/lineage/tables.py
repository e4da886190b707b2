"""The data sets of a night: the outputs of its stages, and in them the tables whose columns are told."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq

from tasks.core.contract import TABLES, Column
from tasks.core.layout import JUDGE_TABLE

_CONTRACT = ("impressions", "users.parquet", "videos.parquet")
INSIDE: Mapping[str, tuple[str, ...]] = {
    "data/raw": _CONTRACT,
    "data/validated": _CONTRACT,
    "data/features": ("rows", "history", "users.parquet", "videos.parquet"),
}
"""Output of a stage -> the tables in it that are data sets of their own; all else of it is how they came about."""
TRAITS = "traits.parquet"
WITH_TRAITS = ("data/raw", "data/validated", "data/features")
"""Outputs that also hold the table of sensitive attributes of users, where the source declares some."""
ASIDE: Mapping[str, tuple[str, ...]] = {"data/validated": ("quarantine",)}
"""Output of a stage -> the tables in it that people read and no stage does."""
_TABLE_IN = {"artifacts/predictions": JUDGE_TABLE, "artifacts/scores": "scores.parquet"}
"""Folder of outputs -> the table whose columns are told of an output in it, or of itself."""


@dataclass(frozen=True)
class Measured:
    """What the files of a table hold.

    Attributes:
        schema: column -> type.
        rows: in all of its files.
        size: bytes.
        files: how many.
    """

    schema: Mapping[str, pl.DataType]
    rows: int
    size: int
    files: int


def data_sets(output: str, has_traits: bool = False) -> tuple[str, ...]:
    """Return the data sets of one output of a stage, by their paths.

    Args:
        output: its path.
        has_traits: whether the source declares sensitive attributes of users.
    """
    further = (TRAITS,) if has_traits and output in WITH_TRAITS else ()
    return tuple(f"{output}/{table}" for table in (*INSIDE.get(output, ()), *further)) or (output,)


def set_aside(output: str) -> tuple[str, ...]:
    """Return the data sets of one output that no stage reads with it."""
    return tuple(f"{output}/{table}" for table in ASIDE.get(output, ()))


def measured(root: Path, data_set: str) -> Measured | None:
    """Return what the table of a data set holds; None: it is no table, or not there."""
    files = sorted(_files(root, data_set))
    if not files:
        return None
    rows = sum(pq.read_metadata(file).num_rows for file in files)
    schema = pl.read_parquet_schema(files[-1])
    return Measured(schema, rows, sum(file.stat().st_size for file in files), len(files))


def meanings(data_set: str) -> dict[str, str]:
    """Return column -> what the contract says of it; nothing for tables that are not of the contract."""
    folder, _, name = data_set.rpartition("/")
    columns: Sequence[Column] = ()
    if folder in ("data/raw", "data/validated"):
        columns = TABLES["impressions" if name == "quarantine" else name.removesuffix(".parquet")]
    return {column.name: column.meaning for column in columns}


def _files(root: Path, data_set: str) -> Iterator[Path]:
    place = root / data_set
    if place.suffix == ".parquet":
        yield from [place] if place.is_file() else []
        return
    for folder, table in _TABLE_IN.items():
        if data_set == folder or data_set.startswith(f"{folder}/"):
            yield from [place / table] if (place / table).is_file() else []
            return
    if any(data_set == f"{output}/{table}" for told in (INSIDE, ASIDE) for output in told for table in told[output]):
        yield from (*place.glob("day=*/part.parquet"), *place.glob("day=*.parquet"))
