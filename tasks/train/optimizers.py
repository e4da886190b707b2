"""The two optimizers of a fit behind one step: row-sparse AdamW for packed tables, fused AdamW for the rest.

Shape legend: T trained tasks.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from models import phases
from models.batch import Batch
from models.encoders.base import packed_tables
from models.encoders.sharded import ShardedTable
from models.ranker import Ranker
from models.row_sparse import RowSparseAdamW
from models.step_rate import rates
from tasks.train.config import TrainingConfig
from tasks.train.group import ALONE, Group
from tasks.train.sharded_adamw import ShardedAdamW


class Optimizers:
    """Steps all parameters of a ranker.

    Args:
        ranker: the model, on its device.
        config: learning rate, decay and clipping.
        group: processes that fit together.
    """

    def __init__(self, ranker: Ranker, config: TrainingConfig, group: Group = ALONE) -> None:
        self._clip_norm, self._group, self._share = config.clip_norm, group, 1.0
        self._history_fields = ranker.schema.history_fields
        learning_rate = phases.learning_rate(ranker) * config.learning_rate
        rate_of = rates(ranker)
        undecayed = ranker.undecayed_parameters()
        exempt = {id(parameter) for parameter in undecayed}
        decayed = [parameter for parameter in ranker.dense_parameters() if id(parameter) not in exempt]
        self._parameters = [p for p in (*decayed, *undecayed) if p.requires_grad]
        groups = [
            {"params": [p for p in parameters if rate_of.get(p, 1.0) == rate], "weight_decay": decay,
             "lr": rate * learning_rate}
            for rate in sorted({1.0, *rate_of.values()})
            for parameters, decay in ((decayed, config.weight_decay), (undecayed, 0.0))
        ]  # fmt: skip
        self._dense = torch.optim.AdamW([g for g in groups if g["params"]], lr=learning_rate, fused=True)
        sharded = [table for table in packed_tables(ranker).values() if isinstance(table, ShardedTable)]
        rates_of_rows = learning_rate, config.weight_decay
        self._sparse: RowSparseAdamW | ShardedAdamW = (
            ShardedAdamW(sharded, group, *rates_of_rows, config.second_moment)
            if sharded
            else RowSparseAdamW(ranker.embedding_parameters(), *rates_of_rows, second_moment=config.second_moment)
        )

    def prepare(self, batch: Batch) -> None:
        """Bring the table rows that a batch reads up to date; call before its forward pass."""
        self._sparse.prepare(_rows_of(batch, self._history_fields))

    def catch_up_rows(self, batch: Batch) -> None:
        """Bring the rows that a batch reads up to date, for a pass that takes no step; of whole tables."""
        assert isinstance(self._sparse, RowSparseAdamW)
        self._sparse.catch_up(_rows_of(batch, self._history_fields))

    def look_up(self, batch: Batch | None) -> None:
        """Let what does not learn read the tables, which were caught up; call before its forward pass.

        Args:
            batch: None: this process reads nothing while others do.
        """
        if isinstance(self._sparse, ShardedAdamW):
            nothing = torch.zeros(0, dtype=torch.int64, device=self._parameters[0].device)
            self._sparse.look_up(nothing if batch is None else _rows_of(batch, self._history_fields))

    def join(self, losses_T: Tensor, share: float) -> None:
        """Put the mean over the whole batch in the place of the losses and of the dense gradients of a part; call before `step`.

        Args:
            losses_T: means over the rows of this process.
            share: of the batch that they are.
        """
        if self._group.alone:
            return
        self._share = share
        parts = [losses_T, *(p.grad for p in self._parameters if p.grad is not None)]
        flat = torch.cat([part.flatten() for part in parts]) * share
        self._group.sum(flat)
        for part, joined in zip(parts, torch.split(flat, [part.numel() for part in parts]), strict=True):
            part.copy_(joined.view_as(part))

    def catch_up(self) -> None:
        """Bring whole tables up to date; call before they are read as a whole."""
        self._sparse.catch_up_all()

    def step(self) -> Tensor:
        """Clip the gradient as a whole, apply it, clear it, and return its norm before clipping."""
        dense = [p.grad for p in self._parameters if p.grad is not None]
        sparse = self._sparse_gradients()
        norm = self._norm(dense, sparse)
        if self._clip_norm is not None:
            scale = (self._clip_norm / (norm + 1e-6)).clamp(max=1.0)
            torch._foreach_mul_([*dense, *sparse], scale)
        self._dense.step()
        self._dense.zero_grad(set_to_none=True)
        self._sparse.step(sparse)
        return norm

    def _sparse_gradients(self) -> list[Tensor]:
        return (
            self._sparse.gradients(self._share) if isinstance(self._sparse, ShardedAdamW) else self._sparse.gradients()
        )

    def _norm(self, dense: list[Tensor], sparse: list[Tensor]) -> Tensor:
        """Return the norm of the whole gradient, of which other processes have the rows that they own."""
        if self._group.alone:
            norm: Tensor = torch.linalg.vector_norm(torch.stack(torch._foreach_norm([*dense, *sparse])))
            return norm
        square = torch.stack(torch._foreach_norm(sparse)).square().sum()
        self._group.sum(square)
        return (torch.stack(torch._foreach_norm(dense)).square().sum() + square).sqrt()

    def start(self, parameter: Tensor, rows: Tensor, parents: Tensor) -> None:
        """Give new rows of a dense parameter the step sizes of others, and no direction: that of another row is not theirs.

        Args:
            parameter: of which a step was taken; nothing is done for one that is frozen.
            rows: [new] rows.
            parents: [new] the row that each takes after.
        """
        if state := self._dense.state.get(parameter):
            state["exp_avg"][rows] = 0
            state["exp_avg_sq"][rows] = state["exp_avg_sq"][parents]

    def state_tensors(self) -> dict[str, Tensor]:
        """Return the state of both optimizers by name."""
        named = {f"sparse.{name}": value for name, value in self._sparse.state_tensors().items()}
        for index, state in self._dense.state_dict()["state"].items():
            named |= {f"dense.{index}.{name}": value for name, value in state.items()}
        return named

    def load_state_tensors(self, tensors: dict[str, Tensor]) -> None:
        """Restore what `state_tensors` returned."""
        sparse = {name.removeprefix("sparse."): value for name, value in tensors.items() if name.startswith("sparse.")}
        self._sparse.load_state_tensors(sparse)
        state: dict[int, dict[str, Tensor]] = {}
        for name, value in tensors.items():
            if name.startswith("dense."):
                _, index, key = name.split(".", 2)
                state.setdefault(int(index), {})[key] = value
        self._dense.load_state_dict({**self._dense.state_dict(), "state": state})


def _rows_of(batch: Batch, history_fields: Sequence[str]) -> Tensor:
    """Return the table rows that a batch reads, with repetitions, in the order in which encoders look them up."""
    if batch.history is None or not history_fields:
        return batch.ids_BF.flatten()
    events = torch.stack([batch.history.fields[name] for name in history_fields], dim=2)
    return torch.cat([batch.ids_BF.flatten(), events.flatten()])
