"""An embedding table whose rows are stored in one format or several: the one reader of all that predicts.

Source: docs/methods/compression.md#compressed-tables. Shape legend: N rows, D embedding width.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from models.compression.formats import FORMATS, Arrays, Floats, RowFormat
from models.compression.index import directory, directory_bytes, places

DIRECTORY = "directory"


@dataclass(frozen=True)
class StoredTable:
    """A table as it is stored.

    Attributes:
        width: D.
        rows: format -> its rows; formats without rows are absent.
        zeroed: rows that were not zero and are stored as zeros.
        arrays: `<format>.<array>` -> array, and `directory.<array>` where there are several formats.
        formats: formats that there are, in order.
    """

    width: int
    rows: Mapping[str, int]
    zeroed: int
    arrays: Arrays
    formats: Mapping[str, RowFormat] = field(default_factory=lambda: FORMATS)

    @classmethod
    def of(
        cls, weight_ND: Floats, format_N: NDArray[np.uint8], formats: Mapping[str, RowFormat] = FORMATS
    ) -> "StoredTable":
        """Store every row of a table in its format; rows of one format keep their order.

        Args:
            weight_ND: float32 weights.
            format_N: place of each row's format in `formats`.
            formats: at most `models.compression.index.NUM_FORMATS`.

        Raises:
            ValueError: if a weight is not finite, or too large for its format.
        """
        if not np.isfinite(weight_ND).all():
            raise ValueError("the table holds weights that are not finite")
        rows: dict[str, int] = {}
        arrays: dict[str, NDArray[Any]] = {}
        zeroed = 0
        for number, (kind, form) in enumerate(formats.items()):
            chosen = format_N == number
            if chosen.any():
                stored = form.store(weight_ND[chosen])
                rows[kind], zeroed = int(chosen.sum()), zeroed + stored.zeroed
                arrays |= {f"{kind}.{name}": values for name, values in stored.arrays.items()}
        if len(rows) > 1:
            arrays |= {f"{DIRECTORY}.{name}": values for name, values in directory(format_N).items()}
        return cls(weight_ND.shape[1], rows, zeroed, arrays, formats)

    @property
    def num_rows(self) -> int:
        """Rows of the table."""
        return sum(self.rows.values())

    @property
    def kind(self) -> str:
        """The format of all rows, or `mixed`."""
        return next(iter(self.rows)) if len(self.rows) == 1 else "mixed"

    @property
    def offsets(self) -> dict[str, int]:
        """Format -> its first row once rows are sorted by format."""
        starts = np.cumsum([0, *self.rows.values()])
        return dict(zip(self.rows, starts.tolist(), strict=False))

    @property
    def row_bytes(self) -> dict[str, int]:
        """Format -> bytes of all its rows."""
        return {kind: rows * self.formats[kind].row_bytes(self.width) for kind, rows in self.rows.items()}

    @property
    def derived(self) -> Arrays:
        """What readers hold beside the arrays, under such names, and nobody stores; nothing unless a kind says more."""
        return {}

    @property
    def directory_bytes(self) -> int:
        """Bytes of what finds a row; 0 where all have one format."""
        return directory_bytes(self.num_rows) if len(self.rows) > 1 else 0

    def read(self, arrays: Callable[[str], Mapping[str, Tensor]], ids: Tensor) -> Tensor:
        """Return rows, float32 [..., D].

        Args:
            arrays: format or `DIRECTORY` -> its arrays by name, those of `derived` among them, as tensors wherever rows are read.
            ids: int64 [...], rows of the table.

        Raises:
            IndexError: if an id is no row of the table.
        """
        if len(self.rows) == 1:
            return self.formats[self.kind].read(arrays(self.kind), ids)
        which, position = places(arrays(DIRECTORY), ids)
        present = [(number, kind) for number, kind in enumerate(self.formats) if kind in self.rows]
        if ids.device.type != "cpu" or torch.compiler.is_compiling():
            # How many rows have a format is not known to a program, and to the host only once it has waited: all are read as each.
            found = ids.new_zeros((*ids.shape, self.width), dtype=torch.float32)
            for number, kind in present:
                here = which == number
                read = self.formats[kind].read(arrays(kind), torch.where(here, position, 0))
                found = torch.where(here.unsqueeze(-1), read, found)
            return found
        found = torch.empty((ids.numel(), self.width))
        which, position = which.reshape(-1), position.reshape(-1)
        for number, kind in present:
            here = (which == number).nonzero().squeeze(-1)
            found.index_copy_(0, here, self.formats[kind].read(arrays(kind), position[here]))
        return found.view(*ids.shape, self.width)


class CompressedTable(nn.Module):
    """Stands where the encoder's `nn.Embedding` stood, and reads rows as float32.

    What it holds is no parameter and no part of the module's state: it lies in files of its own, mapped into memory.

    Args:
        stored: the table; its arrays are read where they lie, in memory or on disk.
    """

    def __init__(self, stored: StoredTable) -> None:
        super().__init__()
        self.stored = stored
        held = {**stored.arrays, **stored.derived}
        self._held = tuple(held)
        for name, values in held.items():
            self.register_buffer(_buffer(name), torch.from_numpy(values), persistent=False)

    def rows(self, ids: Tensor) -> Tensor:
        """Return rows, float32 [..., D].

        Args:
            ids: int64 [...], rows of the table.

        Raises:
            IndexError: if an id is no row of the table.
        """
        return self.stored.read(self._arrays, ids)

    def forward(self, ids: Tensor) -> Tensor:
        """Return rows, as the embedding did."""
        return self.rows(ids)

    def _arrays(self, part: str) -> dict[str, Tensor]:
        """Return the buffers of a format or of the directory, wherever the module was moved."""
        names = [name for name in self._held if name.startswith(f"{part}.")]
        return {name.removeprefix(f"{part}."): self.get_buffer(_buffer(name)) for name in names}


def _buffer(name: str) -> str:
    return name.replace(".", "_")
