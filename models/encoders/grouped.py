"""A packed table whose rows do not all use its whole width: rows of a field are grouped by how often the fit days read them.

A number that a group drops is 0 from the first step to the last: the row is multiplied by 0 there when it is read, so the
number has no gradient and no moments, and row-sparse AdamW leaves a 0 without them a 0.

Source: docs/methods/compression.md#widths-by-group. Shape legend: N rows, D embedding width, C classes (a group of a field each; class 0: the
rows of all fields that are not named, whole).
"""

import itertools
from collections.abc import Mapping, Sequence
from typing import Annotated

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator
from torch import Tensor, nn
from torch.nn import functional

from models.encoders.table import PackedTable
from models.ranges import Number, Whole
from models.schema import InputSchema

MOST_CLASSES = 256
"""A class is stored as one byte a row."""


class FieldWidths(BaseModel):
    """The groups of one field, and which numbers of an embedding each keeps.

    Raises:
        ValueError: if bounds or kept numbers do not ascend, or there is not one more group than bounds.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    bounds: Annotated[tuple[Annotated[Number, Field(gt=0, le=10**12)], ...], Field(max_length=15)]
    """Reads per fit day from which on a row belongs to the next group, ascending. The row of unseen levels is one like any other."""
    kept: tuple[tuple[Annotated[Whole, Field(ge=0, lt=8192)], ...], ...]
    """Numbers of the embedding that each group keeps, from the group that is read least; the others are 0 at every step."""

    @model_validator(mode="after")
    def _in_order(self) -> "FieldWidths":
        if len(self.kept) != len(self.bounds) + 1:
            raise ValueError(
                f"{len(self.bounds)} bounds make {len(self.bounds) + 1} groups, and kept names {len(self.kept)}"
            )
        for what, values in [("bounds", self.bounds), *(("kept", kept) for kept in self.kept)]:
            if any(later <= earlier for earlier, later in itertools.pairwise(values)):
                raise ValueError(f"{what} {list(values)} must ascend")
        return self

    def group(self, reads_N: NDArray[np.float64]) -> NDArray[np.int64]:
        """Return the group of rows by their reads per fit day, [N]."""
        return np.searchsorted(np.array(self.bounds), reads_N, side="right")


FieldsWidths = Mapping[str, FieldWidths]


class GroupedTable(PackedTable):
    """Reads rows times the scale of their class: 1 where it keeps a number, 0 where it drops it.

    `divide` has to say first which row is of which class.

    Args:
        table: what it stands in for, as it was drawn.
        schema: which rows are whose.
        widths: groups by field.

    Raises:
        ValueError: if a field is not encoded, there are too many groups, or the table is one part of a larger one.
    """

    class_N: Tensor
    scale_CD: Tensor

    def __init__(self, table: nn.Embedding, schema: InputSchema, widths: FieldsWidths) -> None:
        rows, width = table.weight.shape
        if rows != schema.num_rows:
            raise ValueError("encoder.widths needs whole tables: set training.processes: 1")
        super().__init__(rows, width, table.weight.detach())
        self._schema, self._widths = schema, widths
        kept = kept_by_class(schema, widths, width)
        self.register_buffer("scale_CD", _as_scale(kept, width), persistent=False)
        self.register_buffer("class_N", torch.zeros(0, dtype=torch.uint8), persistent=False)

    @torch.no_grad()
    def divide(self, reads_N: NDArray[np.float64]) -> None:
        """Put every row into its class, and 0 where its class drops a number.

        Args:
            reads_N: reads of every row per fit day.
        """
        self.class_N = torch.from_numpy(classes(self._schema, self._widths, reads_N)).to(self.weight.device)
        self.weight.mul_(self.scales(torch.arange(len(reads_N), device=self.weight.device)))

    def scales(self, ids: Tensor) -> Tensor:
        """Return what rows are multiplied by, [..., D].

        Raises:
            RuntimeError: if the rows were not divided: read whole, they would fill again what was dropped.
        """
        if not len(self.class_N):
            raise RuntimeError("rows of a grouped table are read before `divide` said which class each is of")
        return functional.embedding(self.class_N[ids].long(), self.scale_CD)

    def forward(self, input: Tensor) -> Tensor:
        """Return rows, [..., D]."""
        return super().forward(input) * self.scales(input)

    def summed(self, ids: Tensor) -> Tensor:
        """Return sums over the last axis of ids, [..., D]; every row has a scale of its own."""
        return self(ids).sum(dim=-2)  # type: ignore[no-any-return]


def grouped_tables(module: nn.Module) -> dict[str, GroupedTable]:
    """Return the grouped tables below a module, by name."""
    return {name: part for name, part in module.named_modules() if isinstance(part, GroupedTable)}


def kept_by_class(schema: InputSchema, widths: FieldsWidths, width: int) -> list[Sequence[int]]:
    """Return the numbers that every class keeps, class 0 first, then group by group of each field in packed order.

    Raises:
        ValueError: as `GroupedTable` says.
    """
    if unknown := sorted(set(widths) - set(schema.names)):
        raise ValueError(f"encoder.widths names {unknown[0]!r}, which the table does not encode: see table.categorical")
    kept: list[Sequence[int]] = [range(width)]
    for name in schema.names:
        kept += widths[name].kept if name in widths else ()
    if len(kept) > MOST_CLASSES:
        raise ValueError(
            f"encoder.widths makes {len(kept) - 1} groups, and {MOST_CLASSES - 1} are allowed: name fewer fields"
        )
    return kept


def classes(schema: InputSchema, widths: FieldsWidths, reads_N: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Return the class of every row, [N].

    Args:
        schema: which rows are whose.
        widths: groups by field.
        reads_N: reads of every row per fit day.
    """
    class_N, first = np.zeros(schema.num_rows, dtype=np.uint8), 1
    for (name, rows), begin in zip(schema.fields, schema.offsets, strict=True):
        if name in widths:
            of_field = slice(begin, begin + rows)
            class_N[of_field] = first + widths[name].group(reads_N[of_field])
            first += len(widths[name].kept)
    return class_N


def _as_scale(kept: Sequence[Sequence[int]], width: int) -> Tensor:
    scale_CD = torch.zeros(len(kept), width)
    for number, numbers in enumerate(kept):
        scale_CD[number, list(numbers)] = 1.0
    return scale_CD
