"""How one row of an embedding table is stored, and how it is read back as float32.

Source: docs/methods/compression.md#row-formats. Shape legend: N rows, D embedding width.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

Arrays = Mapping[str, NDArray[Any]]
Floats = NDArray[np.float32]
SMALLEST = 1e-6
"""A row of codes whose largest weight is below is stored as zeros: its half-precision scale would carry no digits."""


@dataclass(frozen=True)
class StoredRows:
    """Rows in one format.

    Attributes:
        arrays: name -> array of N rows, two dimensions each.
        zeroed: rows that were not zero and are stored as zeros.
    """

    arrays: Arrays
    zeroed: int = 0


class RowFormat(ABC):
    """One way to store rows; the same weights give the same bytes."""

    kind: ClassVar[str]

    @abstractmethod
    def store(self, weight_ND: Floats) -> StoredRows:
        """Return the rows as they are stored.

        Args:
            weight_ND: finite weights, float32 [N, D].

        Raises:
            ValueError: if a weight is too large for the format.
        """

    @abstractmethod
    def read(self, arrays: Mapping[str, Tensor], position: Tensor) -> Tensor:
        """Return rows by their place, float32 [..., D].

        Args:
            arrays: what `store` returned, as tensors.
            position: int64 [...], in [0, N).

        Raises:
            IndexError: if a position is out of range.
        """

    @abstractmethod
    def row_bytes(self, width: int) -> int:
        """Return the bytes of a row of this width."""


class Fp32(RowFormat):
    """The weights as they were fitted."""

    kind = "fp32"

    def store(self, weight_ND: Floats) -> StoredRows:
        """Return the weights."""
        return StoredRows({"weights": weight_ND})

    def read(self, arrays: Mapping[str, Tensor], position: Tensor) -> Tensor:
        """Return the weights."""
        return functional.embedding(position, arrays["weights"])

    def row_bytes(self, width: int) -> int:
        """Return four a weight."""
        return 4 * width


class Fp16(RowFormat):
    """Weights in half precision: relative error up to 2^-11 from 6e-5 on, absolute error up to 3e-8 below."""

    kind = "fp16"

    def store(self, weight_ND: Floats) -> StoredRows:
        """Return the weights, rounded to nearest even."""
        _refuse_beyond(np.abs(weight_ND).max(initial=0), self.kind)
        return StoredRows({"weights": weight_ND.astype(np.float16)})

    def read(self, arrays: Mapping[str, Tensor], position: Tensor) -> Tensor:
        """Return the weights."""
        return functional.embedding(position, arrays["weights"]).float()

    def row_bytes(self, width: int) -> int:
        """Return two a weight."""
        return 2 * width


class Int8Row(RowFormat):
    """Codes of eight bits, and one scale in half precision per row.

    The scale is rounded up, so that the largest weight is not cut off, and codes are computed with the scale that is stored:
    an error is half a scale at most. A row of zeros has scale 1.
    """

    kind = "int8_row"
    largest_code: ClassVar[int] = 127

    def store(self, weight_ND: Floats) -> StoredRows:
        """Return codes and scales."""
        largest_N = np.abs(weight_ND).max(axis=1, initial=0)
        zeroed_N = (largest_N > 0) & (largest_N < SMALLEST)
        kept_N = largest_N >= SMALLEST
        scale_N = np.where(kept_N, self._scale(largest_N), np.float16(1))
        scale_N1 = scale_N[:, None]
        code_ND = np.rint(weight_ND / scale_N1.astype(np.float32)) * kept_N[:, None]
        return StoredRows({"codes": code_ND.astype(np.int8), "scales": scale_N1}, int(zeroed_N.sum()))

    def _scale(self, largest_N: Floats) -> NDArray[np.float16]:
        """Return the least half-precision number at which no weight of a row exceeds the largest code."""
        exact_N = largest_N.astype(np.float64) / self.largest_code
        _refuse_beyond(exact_N.max(initial=0), f"the scale of {self.kind}")
        scale_N = exact_N.astype(np.float16)
        return np.where(scale_N.astype(np.float64) < exact_N, np.nextafter(scale_N, np.float16(np.inf)), scale_N)

    def read(self, arrays: Mapping[str, Tensor], position: Tensor) -> Tensor:
        """Return code times scale."""
        code = functional.embedding(position, arrays["codes"]).float()
        return code * functional.embedding(position, arrays["scales"]).float()

    def row_bytes(self, width: int) -> int:
        """Return one a weight, and two for the scale."""
        return width + 2


FORMATS: Mapping[str, RowFormat] = {form.kind: form for form in (Int8Row(), Fp16(), Fp32())}
"""Formats by kind, from the smallest; a row's format is stored as its place in this order."""


def _refuse_beyond(largest: float, what: str) -> None:
    limit = float(np.finfo(np.float16).max)
    if largest > limit:
        raise ValueError(f"{what} holds numbers up to {limit:g}, and the table needs {float(largest):g}")
