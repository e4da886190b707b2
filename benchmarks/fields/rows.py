"""Rows as codes of categorical fields, and lists of codes.

Shapes: B rows, F fields, N rows of a batch, T codes of all lists, S codes of the lists of a batch.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
import torch
from torch import Tensor

from tasks.evaluate.metrics.inputs import IntArray

UNKNOWN = 0
"""Code, within its field, of every value that was not seen often enough."""


@dataclass(frozen=True)
class Field:
    """One categorical field: which values have a vector of their own, and where its codes begin among all fields'.

    Attributes:
        known: value -> code within the field, from 1.
        offset: first code, that of unknown values.
    """

    known: pl.DataFrame
    offset: int

    @classmethod
    def of(cls, values: pl.Series, offset: int, min_count: int = 1) -> "Field":
        """Return the field of the values that occur at least `min_count` times, coded in their own order."""
        counts = values.drop_nulls().value_counts(name="rows")
        often = counts.filter(pl.col("rows") >= min_count).to_series(0).sort().rename("value")
        return cls(often.to_frame().with_row_index("code", offset=1), offset)

    @property
    def size(self) -> int:
        """How many codes it takes."""
        return 1 + self.known.height

    def codes(self, values: pl.Series) -> IntArray:
        """Return the code of each value among those of all fields."""
        found = (
            values.rename("value").to_frame().join(self.known, on="value", how="left", maintain_order="left")["code"]
        )
        return found.fill_null(UNKNOWN).to_numpy().astype(np.int64) + self.offset


@dataclass(frozen=True)
class Fields:
    """All categorical fields of a table, coded one after the other."""

    of: dict[str, Field]

    @classmethod
    def known_from(cls, frame: pl.DataFrame, min_count: int = 1) -> "Fields":
        """Return the fields of a table's columns; what occurs less than `min_count` times in it is unknown."""
        found: dict[str, Field] = {}
        for name in frame.columns:
            found[name] = Field.of(frame[name], sum(field.size for field in found.values()), min_count)
        return cls(found)

    @property
    def size(self) -> int:
        """How many codes there are."""
        return sum(field.size for field in self.of.values())

    def codes(self, frame: pl.DataFrame) -> IntArray:
        """Return the [B, F] codes of rows with the same columns."""
        return np.stack([field.codes(frame[name]) for name, field in self.of.items()], axis=1)


@dataclass(frozen=True, eq=False)
class Histories:
    """A list of codes for each row, cut out of longer lists that many rows share.

    Attributes:
        start_B: [B] where a row's list begins in `code_T`.
        length_B: [B] how long it is.
        code_T: codes, one list after the other.
    """

    start_B: IntArray
    length_B: IntArray
    code_T: IntArray

    def bags(self, index_N: IntArray) -> tuple[Tensor, Tensor]:
        """Return the [S] codes of some rows' lists, row after row, and where each row's begin among them, [N]."""
        length_N = self.length_B[index_N]
        start_N = np.cumsum(length_N) - length_N
        place_S = np.repeat(self.start_B[index_N] - start_N, length_N) + np.arange(length_N.sum())
        return torch.from_numpy(self.code_T[place_S]), torch.from_numpy(start_N)


@dataclass(frozen=True, eq=False)
class FieldRows:
    """What a model reads of some rows.

    Attributes:
        code_BF: [B, F] codes.
        histories: lists of codes, which count as one field each by their mean.
    """

    code_BF: IntArray
    histories: Sequence[Histories] = ()

    def __len__(self) -> int:
        return len(self.code_BF)
