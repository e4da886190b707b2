"""A stored table whose rows hold only the numbers that their class keeps.

Source: docs/methods/compression.md#widths-by-group. Shape legend: N rows, D embedding width, C classes, M kept numbers of all rows, W words of 32
rows.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from models.compression.formats import FORMATS, Arrays, Floats
from models.compression.index import ROWS
from models.compression.table import DIRECTORY, StoredTable

_OF_ROWS = ("scales",)
"""Arrays of a format with one number per row; the others have one per number of a row, of which those kept are stored."""


@dataclass(frozen=True)
class MixedDimTable(StoredTable):
    """Rows in the order of their numbers, each with the numbers that it keeps, end to end.

    `directory.classes`, uint8 [N, 1], is the class of every row; `directory.starts`, int64 [W, 1], where the first row of every 32
    begins; `directory.slots`, int16 [C, D], the place of each number among those that a class keeps, -1 where it is dropped.
    Readers also hold `directory.within`, int16 [N, 1], how far from the first of its 32 a row begins.
    """

    @classmethod
    def grouped(
        cls, weight_ND: Floats, kind: str, class_N: NDArray[np.uint8], kept_CD: NDArray[np.bool_]
    ) -> "MixedDimTable":
        """Store what every row keeps.

        Args:
            weight_ND: float32 weights, 0 where a row's class drops a number.
            kind: format of all rows.
            class_N: class of every row.
            kept_CD: which numbers each class keeps.

        Raises:
            ValueError: if a weight is not finite, too large for the format, or not 0 where it is dropped, or nothing is kept.
        """
        kept_ND = kept_CD[class_N]
        if not kept_ND.any():
            raise ValueError("no group keeps a number: there is nothing to store")
        if left := int(np.count_nonzero(weight_ND[~kept_ND])):
            raise ValueError(f"{left} numbers that their groups drop are not 0: they were trained")
        whole = StoredTable.of(weight_ND, np.full(len(weight_ND), list(FORMATS).index(kind), dtype=np.uint8))
        kept_N = kept_ND.sum(axis=1)
        ends_N = np.cumsum(kept_N, dtype=np.int64)
        slots_CD = np.where(kept_CD, np.cumsum(kept_CD, axis=1) - 1, -1).astype(np.int16)
        arrays = {
            name: values if name.endswith(_OF_ROWS) else values[kept_ND][:, None]
            for name, values in whole.arrays.items()
        } | {
            f"{DIRECTORY}.classes": class_N[:, None],
            f"{DIRECTORY}.starts": (ends_N - kept_N)[::ROWS, None],
            f"{DIRECTORY}.slots": slots_CD,
        }
        return cls(whole.width, whole.rows, whole.zeroed, arrays)

    @property
    def kind(self) -> str:
        """Names the kind."""
        return "mixed_dim"

    @property
    def kept(self) -> int:
        """M, numbers that are stored."""
        classes, slots = (self.arrays[f"{DIRECTORY}.{name}"] for name in ("classes", "slots"))
        rows_C = np.bincount(classes[:, 0], minlength=len(slots))
        return int(rows_C @ (slots >= 0).sum(axis=1))

    @property
    def row_bytes(self) -> dict[str, int]:
        """Format -> bytes of all its rows."""
        ((kind, rows),) = self.rows.items()
        of_number = self.formats[kind].row_bytes(1) - self.formats[kind].row_bytes(0)
        return {kind: self.kept * of_number + rows * self.formats[kind].row_bytes(0)}

    @property
    def derived(self) -> Arrays:
        """Where a row begins among its 32, counted once and not in every read."""
        classes, slots = (self.arrays[f"{DIRECTORY}.{name}"] for name in ("classes", "slots"))
        kept_N = (slots >= 0).sum(axis=1)[classes[:, 0]]
        words = -(-self.num_rows // ROWS)
        kept_WR = np.pad(kept_N, (0, words * ROWS - self.num_rows)).reshape(words, ROWS)
        within_N = (np.cumsum(kept_WR, axis=1) - kept_WR).ravel()[: self.num_rows]
        return {f"{DIRECTORY}.within": within_N.astype(np.int16 if within_N.max() < 2**15 else np.int32)[:, None]}

    @property
    def directory_bytes(self) -> int:
        """Bytes of what finds a row and the numbers of it."""
        classes = len(self.arrays[f"{DIRECTORY}.slots"])
        return self.num_rows + 8 * -(-self.num_rows // ROWS) + 2 * classes * self.width

    def read(self, arrays: Callable[[str], Mapping[str, Tensor]], ids: Tensor) -> Tensor:
        """Return rows, 0 where a number is dropped; see `StoredTable.read`."""
        ((kind, _),) = self.rows.items()
        found, of_kind = arrays(DIRECTORY), arrays(kind)
        class_ = functional.embedding(ids, found["classes"]).squeeze(-1).long()
        begin = functional.embedding(ids >> 5, found["starts"]) + functional.embedding(ids, found["within"])
        slot = functional.embedding(class_, found["slots"].long())
        (numbers,) = (values for name, values in of_kind.items() if name not in _OF_ROWS)
        read = _behind(numbers.squeeze(-1), begin, slot).float()
        for name in _OF_ROWS:
            if name in of_kind:
                read = read * functional.embedding(ids, of_kind[name]).float()
        return torch.where(slot >= 0, read, 0.0)


def _behind(number_M: Tensor, begin: Tensor, slot: Tensor) -> Tensor:
    """Return the numbers at places `slot` [..., D] behind `begin` [..., 1], any where a place is -1: D neighbours are copied at once and then dealt to their
    places, since a look-up for every number takes several times as long."""
    width = slot.shape[-1]
    if len(number_M) < width:
        number_M = functional.pad(number_M, (0, width - len(number_M)))
    # The last rows may have no D numbers behind them: they read the last D that there are.
    first = begin.clamp(max=len(number_M) - width)
    near = number_M.unfold(0, width, 1).index_select(0, first.reshape(-1)).reshape(slot.shape)
    return near.gather(-1, (slot + (begin - first)).clamp(0, width - 1))
