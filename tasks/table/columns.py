"""Columns of one split as `.npy` files: appended day by day, read through a memory map."""

from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

Array = NDArray[Any]


class ColumnWriter:
    """Appends rows to one `.npy` file; its header is completed when it is closed."""

    def __init__(self, path: Path, dtype: np.dtype[Any], width: tuple[int, ...]) -> None:
        self._dtype, self._width = dtype, width
        self._rows = 0
        self._stream: IO[bytes] = path.open("wb")
        self._write_header()
        self._body = self._stream.tell()

    def _write_header(self) -> None:
        header = {"descr": npy.dtype_to_descr(self._dtype), "fortran_order": False, "shape": (self._rows, *self._width)}
        npy.write_array_header_1_0(self._stream, header)  # numpy pads it, so that a longer row count fits in place

    def append(self, values: Array) -> None:
        """Append rows of the column's type and width."""
        if values.dtype != self._dtype or values.shape[1:] != self._width:
            raise ValueError(f"column holds {self._dtype} {self._width}, got {values.dtype} {values.shape[1:]}")
        self._stream.write(np.ascontiguousarray(values).data)
        self._rows += len(values)

    def close(self) -> None:
        """Complete the header."""
        self._stream.seek(0)
        self._write_header()
        assert self._stream.tell() == self._body
        self._stream.close()


class ColumnsWriter:
    """Appends rows to all columns of a folder; the first chunk fixes names, types and widths."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._columns: dict[str, ColumnWriter] = {}

    def append(self, chunk: Mapping[str, Array]) -> None:
        """Append one chunk of rows."""
        for name, values in chunk.items():
            if name not in self._columns:
                self._columns[name] = ColumnWriter(self._folder / f"{name}.npy", values.dtype, values.shape[1:])
            self._columns[name].append(values)

    def __enter__(self) -> "ColumnsWriter":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for column in self._columns.values():
            column.close()


def open_columns(folder: Path) -> dict[str, Array]:
    """Map every column of a folder into memory, read-only.

    The pages that were read count as this process's memory until the maps are dropped, so a reader that
    walks through a large table should open it anew for every part.
    """
    return {path.stem: open_column(folder, path.stem) for path in sorted(folder.glob("*.npy"))}


def open_column(folder: Path, name: str) -> Array:
    """Map one column of a folder into memory, read-only; see `open_columns`."""
    with (folder / f"{name}.npy").open("rb") as stream:
        npy.read_magic(stream)
        shape, _, dtype = npy.read_array_header_1_0(stream)
        if 0 in shape:  # an empty file cannot be mapped
            return np.empty(shape, dtype)
        return np.memmap(stream, dtype, mode="r", offset=stream.tell(), shape=shape)
