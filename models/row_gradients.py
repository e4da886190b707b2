"""Gradients of packed tables, kept as they come: vectors and the rows that each is for.

torch adds the sparse gradients of several lookups by copying them one behind the other, and repeats the gradient of a sum for every row
that was summed. Here a vector stands once, however many rows it is for, and each row adds its own in the order of the lookups.

Shapes: N vectors, K rows that each is for, R rows of a step, D embedding width, V rows of a table.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional

from models.joined import joined

_ATTRIBUTE = "row_gradients"


@dataclass(frozen=True)
class ReadRows:
    """The rows that a step reads.

    Attributes:
        ids_N: as they are read, with repetitions.
        rows_R: those that differ, ascending.
        order_N: places in `ids_N`, row by row; the repetitions of a row in their order.
        count_R: how often each row is read.
    """

    ids_N: Tensor
    rows_R: Tensor
    order_N: Tensor
    count_R: Tensor

    @classmethod
    def of(cls, ids: Tensor, num_rows: int) -> "ReadRows":
        """Sort the ids of a batch, int64 of any shape."""
        ids_N = ids.flatten()
        sorted_N, order_N = _sorted(ids_N, num_rows)
        rows_R, count_R = torch.unique_consecutive(sorted_N, return_counts=True)
        return cls(ids_N, rows_R.long(), order_N, count_R)


def _sorted(ids_N: Tensor, num_rows: int) -> tuple[Tensor, Tensor]:
    """Return ids in order and where they stood; halves of the bytes are sorted where they hold the ids."""
    short = num_rows <= torch.iinfo(torch.int32).max
    sorted_N, order_N = (ids_N.int() if short else ids_N).sort(stable=True)
    return sorted_N, order_N


class RowGradients:
    """What backward passes found for the rows of one table since it was cleared."""

    def __init__(self) -> None:
        self._lookups = 0
        self._found: list[tuple[int, Tensor, Tensor]] = []

    @classmethod
    def of(cls, table: Tensor) -> "RowGradients | None":
        """Return what collects the gradients of a table, None where they are a tensor's own."""
        found: RowGradients | None = getattr(table, _ATTRIBUTE, None)
        return found

    @classmethod
    def collect(cls, table: nn.Parameter) -> "RowGradients":
        """Let the gradients of a table be collected from now on."""
        found = cls()
        setattr(table, _ATTRIBUTE, found)
        return found

    def clear(self) -> None:
        """Forget what was found."""
        self._lookups, self._found = 0, []

    def number(self) -> int:
        """Return which lookup the next one is."""
        self._lookups += 1
        return self._lookups

    def add(self, lookup: int, ids_NK: Tensor, gradient_ND: Tensor) -> None:
        """Keep the gradients of a lookup, which are not copied."""
        self._found.append((lookup, ids_NK, gradient_ND))

    def summed(self, read: ReadRows, position_V: Tensor) -> Tensor | None:
        """Return the sum of every row's gradients, [R, D], each in the order of the lookups; None where there are none.

        Args:
            read: rows of the step.
            position_V: int64, the place of each row of the table among them.
        """
        if not self._found:
            return None
        found = sorted(self._found, key=lambda lookup: lookup[0])
        ids_N = joined([ids_NK.flatten() for _, ids_NK, _ in found])
        source_N = torch.arange(len(ids_N), device=ids_N.device)
        if any(ids_NK.shape[1] > 1 for _, ids_NK, _ in found):
            sources, first = [], 0
            for _, ids_NK, gradient_ND in found:
                vectors = torch.arange(first, first + len(gradient_ND), device=ids_N.device)
                sources.append(vectors.repeat_interleave(ids_NK.shape[1]))
                first += len(gradient_ND)
            source_N = torch.cat(sources)
        order_N, count_R = read.order_N, read.count_R
        if not torch.equal(ids_N, read.ids_N):  # rows were looked up in another order, or more than once
            slot_N = position_V.index_select(0, ids_N)
            order_N, count_R = _sorted(slot_N, len(count_R))[1], torch.bincount(slot_N, minlength=len(count_R))
        gradients = joined([gradient_ND for _, _, gradient_ND in found])
        # A lookup of sums, read backwards: every row sums the vectors that are for it.
        begin_R = count_R.cumsum(0) - count_R
        return functional.embedding_bag(source_N.index_select(0, order_N), gradients, begin_R, mode="sum")


def read_sums(table: Tensor, ids_NK: Tensor) -> Tensor:
    """Return the sum of K rows of a table for each of N, [N, D]; gradients go to `RowGradients.of(table)`, if there is one."""
    found = RowGradients.of(table)
    if found is None or not (torch.is_grad_enabled() and table.requires_grad):
        return functional.embedding_bag(ids_NK, table, mode="sum", sparse=True)
    sum_ND: Tensor = _Sums.apply(table, ids_NK, found)  # type: ignore[no-untyped-call]
    return sum_ND


class _Sums(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, table: Tensor, ids_NK: Tensor, found: RowGradients) -> Tensor:
        ctx.ids_NK, ctx.found, ctx.lookup = ids_NK, found, found.number()
        return functional.embedding_bag(ids_NK, table, mode="sum")

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient_ND: Tensor) -> tuple[None, None, None]:
        ctx.found.add(ctx.lookup, ctx.ids_NK, gradient_ND)
        return None, None, None
