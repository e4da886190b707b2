"""Small pure functions between a frame of feature rows and arrays."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from tasks.core.errors import ContractError

Array = NDArray[Any]


def require(frame: pl.DataFrame, columns: Sequence[str], where: str) -> None:
    """Check that all columns are there.

    Raises:
        ContractError: naming the missing columns and the file.
    """
    missing = [name for name in columns if name not in frame.columns]
    if missing:
        raise ContractError(
            f"{where} lacks the column(s) {', '.join(missing)}; rebuild data/features with the configuration of this "
            "table or bundle, or train the bundle anew"
        )


def seconds(frame: pl.DataFrame, where: str) -> NDArray[np.float64]:
    """Return the duration in seconds.

    Raises:
        ContractError: if a row has no positive duration.
    """
    duration = frame["duration_ms"].cast(pl.Float64).fill_null(0).to_numpy() / 1000
    bad = np.flatnonzero(~(duration > 0))
    if len(bad):
        raise ContractError(
            f"{where}: {len(bad)} rows have no positive duration_ms (first: row {bad[0]}); validation quarantines such rows"
        )
    return duration


def watch_seconds(frame: pl.DataFrame, truncate: bool) -> NDArray[np.float64]:
    """Return the watch-time label in seconds, min(play, duration) where it is truncated."""
    watch = pl.min_horizontal("watch_ms", "duration_ms") if truncate else pl.col("watch_ms")
    return frame.select(watch.cast(pl.Float64)).to_series().to_numpy() / 1000


def dense_matrix(frame: pl.DataFrame, names: Sequence[str]) -> NDArray[np.float32]:
    """Return features [rows, N]; missing values are NaN."""
    if not names:
        return np.empty((frame.height, 0), dtype=np.float32)
    return frame.select(pl.col(list(names)).cast(pl.Float32).fill_null(float("nan"))).to_numpy(order="c", writable=True)


@dataclass(frozen=True)
class PaddedSlots:
    """Where the values of list rows stand in a left-padded matrix.

    Attributes:
        shape: rows and width of the matrix.
        kept: which exploded values are kept: a list longer than the width loses its oldest.
        row: matrix row of every kept value.
        column: matrix column of every kept value.
    """

    shape: tuple[int, int]
    kept: NDArray[np.bool_]
    row: NDArray[np.int64]
    column: NDArray[np.int64]

    @classmethod
    def of(cls, lists: pl.Series, width: int) -> "PaddedSlots":
        """Return the slots of a list column whose lists all hold a value."""
        lengths = lists.list.len().to_numpy().astype(np.int64)
        row = np.repeat(np.arange(len(lengths)), lengths)
        ends = np.cumsum(lengths)
        column = np.arange(len(row)) - ends[row] + width
        kept = column >= 0
        return cls((len(lengths), width), kept, row[kept], column[kept])

    def place(self, values: Array, pad: int) -> Array:
        """Return the exploded values in a matrix filled with `pad` elsewhere."""
        matrix = np.full(self.shape, pad, dtype=values.dtype)
        matrix[self.row, self.column] = values[self.kept]
        return matrix
