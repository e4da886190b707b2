"""Row-sparse AdamW on tables that several processes hold together: rows go to who reads them, gradients back to who owns them.

Row i belongs to process i % size, which alone has its moments. A step asks the owners for the rows of the batch (one exchange
of numbers, one of values, of all tables at once), and returns their gradients in one more.

Shapes: N ids of the batch, R its unique rows, Q rows asked of this process, D embedding width, E sum of D over the tables.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from models.encoders.sharded import ShardedTable
from models.row_sparse import RowSparseAdamW, SecondMoment
from tasks.train.group import Group


@dataclass(frozen=True)
class _Route:
    """Who asked whom for how many rows.

    Attributes:
        order_R: place among the rows of the batch of those asked for, owner by owner.
        asked: rows that this process asked of each.
        own_Q: own rows that were asked of this process, by who asked.
        lent: how many each asked for.
    """

    order_R: Tensor
    asked: list[int]
    own_Q: Tensor
    lent: list[int]


class ShardedAdamW:
    """What `RowSparseAdamW` is for whole tables, for the tables of a group; all of it is called by every process.

    Args:
        tables: parts [V / size, D], all of as many rows.
        group: the processes.
        lr: learning rate.
        weight_decay: decoupled decay, applied as in AdamW.
        second_moment: as for `RowSparseAdamW`.
    """

    def __init__(
        self,
        tables: Sequence[ShardedTable],
        group: Group,
        lr: float,
        weight_decay: float,
        second_moment: SecondMoment = "number",
    ) -> None:
        self.tables, self.group = list(tables), group
        # Rows are counted on a card too: it is waited for all the same, to know how many go where.
        own = [p for table in tables for p in table.parameters()]
        self._own = RowSparseAdamW(own, lr, weight_decay, second_moment=second_moment, counted=True)
        self._widths = [table.embedding_dim for table in tables]
        self._route: _Route | None = None

    def prepare(self, ids: Tensor) -> None:
        """Bring the rows of `ids` up to date where they are owned, and borrow them for the step."""
        row_R, self._route = self._ask(ids)
        self._own.prepare(self._route.own_Q)
        self._borrow(row_R, self._route)

    def look_up(self, ids: Tensor) -> None:
        """Borrow the rows of `ids` as they stand, for what learns nothing."""
        self._borrow(*self._ask(ids))

    def _ask(self, ids: Tensor) -> tuple[Tensor, _Route]:
        row_R = torch.unique(ids)
        owner_R = row_R % self.group.size
        order_R = torch.argsort(owner_R, stable=True)
        asked = torch.bincount(owner_R, minlength=self.group.size)
        lent = self.group.counts(asked)
        sent = [int(count) for count in asked.tolist()]
        asked_Q = self.group.swap(row_R[order_R], sent, lent)
        return row_R, _Route(order_R, sent, asked_Q // self.group.size, lent)

    @torch.no_grad()
    def _borrow(self, row_R: Tensor, route: _Route) -> None:
        own_QE = torch.cat([table.weight.index_select(0, route.own_Q) for table in self.tables], dim=1)
        came_RE = self.group.swap(own_QE, route.lent, route.asked)
        lent_RE = torch.empty_like(came_RE).index_copy_(0, route.order_R, came_RE)
        for table, lent_RD in zip(self.tables, torch.split(lent_RE, self._widths, dim=1), strict=True):
            table.lend(row_R, lent_RD.contiguous())

    @torch.no_grad()
    def gradients(self, share: float) -> list[Tensor]:
        """Return the gradient of the whole batch for the prepared own rows of every table.

        Args:
            share: of the batch that this process's loss is the mean over.
        """
        assert self._route is not None
        route, self._route = self._route, None
        gradient_RE = torch.cat([table.gradient() for table in self.tables], dim=1) * share
        came_QE = self.group.swap(gradient_RE[route.order_R], route.asked, route.lent)
        for table, came_QD in zip(self.tables, torch.split(came_QE, self._widths, dim=1), strict=True):
            table.weight.grad = torch.sparse_coo_tensor(
                route.own_Q.unsqueeze(0), came_QD, table.weight.shape, check_invariants=False
            )
        return self._own.gradients()

    def step(self, gradients: Sequence[Tensor]) -> None:
        """Apply one step to the prepared own rows."""
        self._own.step(gradients)

    def catch_up_all(self) -> None:
        """Bring every own row up to date."""
        self._own.catch_up_all()

    def state_tensors(self) -> dict[str, Tensor]:
        """Return everything needed to go on exactly with the own rows."""
        return self._own.state_tensors()

    def load_state_tensors(self, tensors: dict[str, Tensor]) -> None:
        """Restore what `state_tensors` returned."""
        self._own.load_state_tensors(tensors)
