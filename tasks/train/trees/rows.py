"""The rows of a split as the matrix that trees read, made a part at a time from columns on disk.

Shapes: R rows asked for.
"""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.table.columns import Array, open_column
from tasks.train.trees.columns import TreeColumns

MATRIX_COLUMNS = ("ids", "dense")
"""Columns of a split that the matrix is made of."""


class TreeRows:
    """Some rows of a split, which never stand in memory as a whole: LightGBM bins them a part at a time (`lightgbm.Sequence`).

    Args:
        folder: of the split.
        columns: of the matrix.
        kept: places of the rows in the split, ascending; a slice for all.
    """

    batch_size = 65_536
    """Rows of one part; LightGBM reads the name."""

    def __init__(self, folder: Path, columns: TreeColumns, kept: Any) -> None:
        self._folder, self._columns = folder, columns
        rows = len(open_column(folder, MATRIX_COLUMNS[0]))
        self._rows = np.arange(rows)[kept] if isinstance(kept, slice) else kept
        self._part: tuple[int, NDArray[np.float32]] | None = None

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: int | slice) -> NDArray[np.floating[Any]]:
        """Return the rows of a slice, [R, columns], or one, [columns], in double precision as LightGBM samples them.

        Single ones are asked for in ascending order.
        """
        if isinstance(index, slice):
            return self._read(self._rows[index])
        number, place = divmod(int(index), self.batch_size)
        if self._part is None or self._part[0] != number:
            begin = number * self.batch_size
            self._part = number, self._read(self._rows[begin : begin + self.batch_size])
        row: NDArray[np.float64] = self._part[1][place].astype(np.float64)
        return row

    def _read(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """Read rows; the memory maps are dropped again."""
        columns: dict[str, Array] = {name: open_column(self._folder, name)[rows] for name in MATRIX_COLUMNS}
        return self._columns.matrix(columns)
