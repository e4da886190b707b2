"""Packed tables that several processes hold together: each owns every n-th row, and borrows the others a batch at a time.

Shape legend: V rows of the whole table, R rows that a batch reads, D embedding width.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.encoders.grouped import GroupedTable
from models.encoders.history.base import EMBEDDING_STD
from models.encoders.table import PackedTable

_DRAWN = 1 << 16
"""Rows drawn at a time: multiples of 16 numbers, by which the generator fills a tensor, so that parts draw what the whole would."""


def _admit_all(rows: int, width: int) -> None:
    """Let a process hold a table however large."""


@dataclass(frozen=True)
class Placement:
    """Which rows of packed tables this process holds.

    Attributes:
        rank: number of the process, from 0.
        size: processes that hold a table together.
        admit: is told rows and width of each table before it is made, and may refuse it.
    """

    rank: int = 0
    size: int = 1
    admit: Callable[[int, int], None] = _admit_all

    def own_rows(self, num_rows: int) -> int:
        """Return how many of a table's rows this process owns."""
        return len(range(self.rank, num_rows, self.size))


_PLACEMENT: ContextVar[Placement] = ContextVar("placement", default=Placement())  # noqa: B039 - frozen


@contextmanager
def placed(placement: Placement) -> Iterator[None]:
    """Let the encoders built inside hold their tables as a placement says."""
    before = _PLACEMENT.set(placement)
    try:
        yield
    finally:
        _PLACEMENT.reset(before)


def packed_table(num_rows: int, width: int) -> nn.Embedding:
    """Return a table with one random row per id: the whole of it, or inside `placed` the part of this process.

    The generator is moved alike and owned rows are the same numbers, however many processes there are.

    Args:
        num_rows: V.
        width: D.
    """
    placement = _PLACEMENT.get()
    placement.admit(placement.own_rows(num_rows), width)
    if placement.size > 1:
        return ShardedTable(num_rows, width, placement)
    table = PackedTable(num_rows, width)
    nn.init.normal_(table.weight, std=EMBEDDING_STD)
    return table


class ShardedTable(nn.Embedding):
    """The rows of a packed table that one process owns; a lookup reads what was lent for the batch.

    Args:
        num_rows: V.
        width: D.
        placement: of the process; row i of the table is row i // size of process i % size.
    """

    def __init__(self, num_rows: int, width: int, placement: Placement) -> None:
        _own_normal(num_rows, width, 1.0, placement)  # what the whole table draws when it is made
        own = _own_normal(num_rows, width, EMBEDDING_STD, placement)
        super().__init__(len(own), width, sparse=True, _weight=own)
        self.whole_rows, self.placement = num_rows, placement
        self._row_R = torch.zeros(0, dtype=torch.int64)
        self._lent_RD = torch.zeros(0, width)

    def lend(self, row_R: Tensor, lent_RD: Tensor) -> None:
        """Take the rows that the next lookups read.

        Args:
            row_R: int64 numbers of rows of the whole table, ascending.
            lent_RD: their values as their owners have them.
        """
        self._row_R, self._lent_RD = row_R, lent_RD.detach().requires_grad_()

    def gradient(self) -> Tensor:
        """Return the gradient of what was lent, [R, D]; 0 where no loss reached it."""
        found = self._lent_RD.grad
        return torch.zeros_like(self._lent_RD) if found is None else found

    def forward(self, ids: Tensor) -> Tensor:
        """Look rows up by their numbers in the whole table.

        Raises:
            RuntimeError: if a row was not lent.
        """
        slots = torch.searchsorted(self._row_R, ids)
        if bool((slots >= len(self._row_R)).any()) or not torch.equal(self._row_R[slots], ids):
            raise RuntimeError("a row is looked up that was not lent to this process: what a batch reads changed")
        return functional.embedding(slots, self._lent_RD)


@torch.no_grad()
def put_rows(table: nn.Embedding, row_N: Tensor, value_ND: Tensor) -> None:
    """Set rows of a packed table; of one that several processes hold, those that this process owns, of a grouped one what it keeps.

    Args:
        table: of `packed_table`.
        row_N: int64 numbers of rows of the whole table.
        value_ND: their values.
    """
    placement = table.placement if isinstance(table, ShardedTable) else Placement()
    own_N = row_N % placement.size == placement.rank
    place_N = row_N[own_N] // placement.size
    place_N, value_ND = place_N.to(table.weight.device), value_ND[own_N].to(table.weight)
    table.weight[place_N] = value_ND * table.scales(place_N) if isinstance(table, GroupedTable) else value_ND


@torch.no_grad()
def _own_normal(num_rows: int, width: int, std: float, placement: Placement) -> Tensor:
    """Return the own rows of what `normal_` would fill a whole table with, [own rows, D]; no more is held than a part."""
    own = torch.empty(placement.own_rows(num_rows), width)
    begin = filled = 0
    while begin < num_rows:
        end = num_rows if num_rows - begin < 2 * _DRAWN else begin + _DRAWN
        part = torch.empty(end - begin, width).normal_(std=std)[
            (placement.rank - begin) % placement.size :: placement.size
        ]
        own[filled : filled + len(part)] = part
        begin, filled = end, filled + len(part)
    return own
