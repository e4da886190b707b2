"""AdamW for packed embedding tables: the cost of a step follows the rows of the batch, not the vocabulary.

Dense AdamW moves every row at every step: a row that is absent drifts along its decaying momentum and shrinks by the
weight decay. Leaving that out ("lazy" Adam) trains rare ids far less than dense AdamW does. So the drift is kept, but
replayed when a row is next read. With r = beta1 / sqrt(beta2), c(s) = lr * sqrt(1 - beta2^s) / (1 - beta1^s) and
d = 1 - lr * weight_decay, a row last updated at step s0 has moved until step t to

    d^(t-s0) * p - m / (sqrt(v) + eps_s0) * sum_{k=1..t-s0} r^k c(s0+k) d^(t-s0-k)

and the sums for all s0 live in one vector, of which a step touches a fixed window. Up to eps (which the replay scales
by sqrt(beta2^k)) and rounding this is dense AdamW; where every row is read at every step it is dense AdamW itself.

On the CPU a step works on the rows that differ, however many there are. Elsewhere their number is not known without waiting
for the device, so it works on as many slots as there could be: those left over repeat the last row, and write what it writes.

A row may keep one second moment, of the mean square of its gradient, in the place of D: row-wise Adam, as FBGEMM's `PARTIAL_ROWWISE_ADAM`.
All of the above holds for it.

Shapes: N ids of the batch, R its unique rows or the slots for them, D embedding width, V rows of a table, S second moments of a row:
D or 1.
"""

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from models.row_gradients import ReadRows, RowGradients

SecondMoment = Literal["number", "row"]
_WINDOW = 256  # r^256 < 1e-11 at the default betas: later momentum no longer moves a float32


class RowSparseAdamW:
    """Decoupled-decay Adam on embedding tables with `sparse=True` gradients.

    One step is `prepare(ids)`, forward, backward, `gradients()`, `step(...)`. Call `catch_up_all()` before the tables
    are read as a whole (evaluation, saving).

    Args:
        tables: parameters [V, D], all with the same V; row i belongs to the same id in each.
        lr: learning rate.
        weight_decay: decoupled decay, applied as in AdamW.
        betas: decay of the first and second moment.
        eps: added to the root of the second moment.
        second_moment: whether every number of a row has one, or every row.
        counted: whether the unique rows are counted, for which a device must be waited for; None: on the CPU only.
    """

    def __init__(
        self,
        tables: Sequence[nn.Parameter],
        lr: float,
        weight_decay: float = 1e-2,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        second_moment: SecondMoment = "number",
        counted: bool | None = None,
    ) -> None:
        if not tables or len({len(table) for table in tables}) != 1:
            raise ValueError(
                f"packed tables must have one common number of rows, got {[tuple(t.shape) for t in tables]}"
            )
        self.tables = list(tables)
        self.lr, self.betas, self.eps = lr, betas, eps
        self.steps = 0
        self._decay = 1 - lr * weight_decay
        self._first = [torch.zeros_like(table) for table in self.tables]
        self._by_row = second_moment == "row"
        self._second = [torch.zeros_like(table[:, :1] if self._by_row else table) for table in self.tables]
        num_rows, device = len(self.tables[0]), self.tables[0].device
        self._updated = torch.zeros(num_rows, dtype=torch.int64, device=device)
        self._moved = torch.zeros(num_rows, dtype=torch.bool, device=device)
        self._position = torch.zeros(num_rows, dtype=torch.int64, device=device)
        self._powers = (betas[0] / betas[1] ** 0.5) ** torch.arange(_WINDOW, dtype=torch.float64, device=device)
        self._drift = torch.zeros(0, dtype=torch.float64, device=device)
        self._grow()
        self._counted = device.type == "cpu" if counted is None else counted
        self._collected = [RowGradients.collect(table) for table in self.tables] if self._counted else []
        self._read: ReadRows | None = None
        self._rows = self._slot = torch.zeros(0, dtype=torch.int64, device=device)
        self._state: list[tuple[Tensor, Tensor, Tensor]] = []

    @torch.no_grad()
    def prepare(self, ids: Tensor) -> None:
        """Bring the rows of `ids` (any shape, duplicates welcome) to where dense AdamW would have them now."""
        if self._counted:
            self._read = ReadRows.of(ids, len(self._position))
            rows_R = self._read.rows_R
            slot_R = torch.arange(len(rows_R), device=rows_R.device)
        else:
            rows_R, slot_R = _in_slots(ids.flatten(), len(self._position))
        self._position.index_copy_(0, rows_R, slot_R)
        for collected in self._collected:
            collected.clear()
        self._rows, self._slot = rows_R, slot_R
        self._state = [self._caught_up(index, rows_R) for index in range(len(self.tables))]
        if self.steps:
            for table, (values_RD, _, _) in zip(self.tables, self._state, strict=True):
                table.index_copy_(0, rows_R, values_RD)

    def _caught_up(self, index: int, rows_R: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return values [R, D] and both moments [R, D], [R, S] of rows as they stand after `self.steps` steps."""
        values_RD = self.tables[index].index_select(0, rows_R)
        first_RD = self._first[index].index_select(0, rows_R)
        second_RS = self._second[index].index_select(0, rows_R)
        if self.steps == 0:
            return values_RD, first_RD, second_RS
        since_R = self._updated.index_select(0, rows_R)
        decay_R1, beta1_R1, beta2_R1, beyond_R1 = (
            self._by_idle.index_select(0, self.steps - since_R).unsqueeze(-1).unbind(1)
        )
        drift_R1 = self._drift.index_select(0, since_R).float()[:, None] * beyond_R1
        eps_R1 = self._eps_by_step.index_select(0, since_R)[:, None]
        moved_RD = first_RD / second_RS.sqrt().add_(eps_R1)
        values_RD.mul_(decay_R1).sub_(moved_RD.mul_(drift_R1))
        return values_RD, first_RD.mul_(beta1_R1), second_RS.mul_(beta2_R1)

    def _grow(self) -> None:
        """Double the room for steps, and tabulate the powers that `_caught_up` looks up."""
        capacity = max(_WINDOW, 2 * len(self._drift))
        room = torch.zeros(capacity - len(self._drift), dtype=torch.float64, device=self._updated.device)
        self._drift = torch.cat([self._drift, room])
        step = torch.arange(capacity, dtype=torch.float64, device=self._updated.device)
        beyond = (step - (_WINDOW - 1)).clamp_min(0)
        powers = [self._decay**step, self.betas[0] ** step, self.betas[1] ** step, self._decay**beyond]
        self._by_idle = torch.stack(powers, dim=1).float()
        self._eps_by_step = (self.eps * (1 - self.betas[1] ** step).sqrt()).clamp_min(1e-12).float()

    @torch.no_grad()
    def catch_up_all(self, chunk: int = 1 << 18) -> None:
        """Bring every row up to date, a chunk at a time.

        A row of which no step was taken has no momentum: it has but shrunk, and its moments are not touched.
        """
        if self.steps == 0:
            return
        for rows in torch.split(self._moved.nonzero().flatten(), chunk):
            self.catch_up(rows)
        for begin in range(0, len(self._updated), chunk):
            part = slice(begin, begin + chunk)
            idle_R = self.steps - self._updated[part]
            if bool(idle_R.any()):
                decay_R1 = self._by_idle[:, :1].index_select(0, idle_R)
                for table in self.tables:
                    table[part].mul_(decay_R1)
        self._updated.fill_(self.steps)

    @torch.no_grad()
    def catch_up(self, ids: Tensor) -> None:
        """Bring the rows of `ids` (any shape, duplicates welcome) up to date for what reads them and learns nothing of them."""
        if self.steps == 0:
            return
        rows = ids.flatten()
        for index in range(len(self.tables)):
            self._store(index, rows, *self._caught_up(index, rows))
        self._updated.index_fill_(0, rows, self.steps)

    def _store(self, index: int, rows: Tensor, values: Tensor, first: Tensor, second: Tensor) -> None:
        self.tables[index].index_copy_(0, rows, values)
        self._first[index].index_copy_(0, rows, first)
        self._second[index].index_copy_(0, rows, second)

    @torch.no_grad()
    def gradients(self) -> list[Tensor]:
        """Return the summed gradient [R, D] of the prepared rows for every table, and clear it."""
        return [self._gradient(table) for table in self.tables]

    def _gradient(self, table: nn.Parameter) -> Tensor:
        collected = RowGradients.of(table) if self._counted else None
        total_RD = None
        if collected is not None and self._read is not None:
            total_RD = collected.summed(self._read, self._position)
            collected.clear()
        if total_RD is None:
            total_RD = table.new_zeros((len(self._rows), table.shape[1]))
        if table.grad is not None:
            slots = self._position.index_select(0, table.grad._indices()[0])
            total_RD.index_add_(0, slots, table.grad._values())
            table.grad = None
        return total_RD

    @torch.no_grad()
    def step(self, gradients: Sequence[Tensor]) -> None:
        """Apply one AdamW step to the prepared rows, given their gradients [R, D] per table."""
        self.steps += 1
        beta1, beta2 = self.betas
        root = (1 - beta2**self.steps) ** 0.5
        rate = self.lr * root / (1 - beta1**self.steps)
        for index, (grad_RD, state) in enumerate(zip(gradients, self._state, strict=True)):
            values_RD, first_RD, second_RS = state
            if not self._counted:
                grad_RD = grad_RD.index_select(0, self._slot)
            first_RD.mul_(beta1).add_(grad_RD, alpha=1 - beta1)
            second_RS.mul_(beta2)
            if self._by_row:
                second_RS.add_(grad_RD.square().mean(dim=1, keepdim=True), alpha=1 - beta2)
            else:
                second_RS.addcmul_(grad_RD, grad_RD, value=1 - beta2)
            values_RD.mul_(self._decay).addcdiv_(first_RD, second_RS.sqrt().add_(self.eps * root), value=-rate)
            self._store(index, self._rows, values_RD, first_RD, second_RS)
        self._updated.index_fill_(0, self._rows, self.steps)
        self._moved.index_fill_(0, self._rows, True)
        self._state = []
        self._advance(rate)

    def _advance(self, rate: float) -> None:
        """Add this step's term to the drift of every earlier step still inside the window."""
        if self.steps >= len(self._drift):
            self._grow()
        begin = max(self.steps - _WINDOW + 1, 0)
        terms = self._powers[1 : self.steps - begin + 1].flip(0)
        self._drift[begin : self.steps].mul_(self._decay).add_(terms, alpha=rate)

    def state_tensors(self) -> dict[str, Tensor]:
        """Return everything needed to go on exactly: last updates, drift, and the moments of rows that have any."""
        tensors = {"updated": self._updated, "drift": self._drift[: self.steps + 1].clone(), "moved": self._moved}
        for index in range(len(self.tables)):
            tensors[f"first.{index}"] = self._first[index][self._moved]
            tensors[f"second.{index}"] = self._second[index][self._moved]
        return tensors

    @torch.no_grad()
    def load_state_tensors(self, tensors: dict[str, Tensor]) -> None:
        """Restore what `state_tensors` returned."""
        self.steps = len(tensors["drift"]) - 1
        while self.steps >= len(self._drift):
            self._grow()
        self._drift.zero_()
        self._drift[: self.steps + 1] = tensors["drift"]
        self._updated.copy_(tensors["updated"])
        self._moved.copy_(tensors["moved"])
        for index in range(len(self.tables)):
            for moments, name in ((self._first[index], "first"), (self._second[index], "second")):
                moments.zero_()
                moments[self._moved] = tensors[f"{name}.{index}"].to(moments)


def _in_slots(ids_N: Tensor, num_rows: int) -> tuple[Tensor, Tensor]:
    """Return the rows that differ, the last of them repeated up to R = min(N, V), and the first slot of each, int64 [R]."""
    sorted_N = ids_N.sort().values
    number_N = torch.cat([torch.zeros_like(sorted_N[:1]), (sorted_N[1:] != sorted_N[:-1]).cumsum(dim=0)])
    slots = min(len(ids_N), num_rows)
    rows_R = sorted_N[-1].expand(slots).clone().scatter_(0, number_N, sorted_N)
    return rows_R, torch.arange(slots, device=ids_N.device).minimum(number_N[-1])
