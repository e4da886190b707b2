"""The two optimizers of a fit behind one step: row-sparse AdamW for packed tables, fused AdamW for the rest."""

import torch
from torch import Tensor

from models import phases
from models.batch import Batch
from models.ranker import Ranker
from models.step_rate import rates
from tasks.train.config import TrainingConfig
from tasks.train.row_sparse import RowSparseAdamW


class Optimizers:
    """Steps all parameters of a ranker.

    Args:
        ranker: the model, on its device.
        config: learning rate, decay and clipping.
    """

    def __init__(self, ranker: Ranker, config: TrainingConfig) -> None:
        self._clip_norm, learning_rate = config.clip_norm, phases.learning_rate(ranker) * config.learning_rate
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
        self._sparse = RowSparseAdamW(ranker.embedding_parameters(), learning_rate, config.weight_decay)

    def prepare(self, batch: Batch) -> None:
        """Bring the table rows that a batch reads up to date; call before its forward pass."""
        read = [batch.ids_BF.flatten()]
        if batch.history is not None:
            read += [ids_BL.flatten() for ids_BL in batch.history.fields.values()]
        self._sparse.prepare(torch.cat(read))

    def catch_up(self) -> None:
        """Bring whole tables up to date; call before they are read as a whole."""
        self._sparse.catch_up_all()

    def step(self) -> Tensor:
        """Clip the gradient as a whole, apply it, clear it, and return its norm before clipping."""
        dense = [p.grad for p in self._parameters if p.grad is not None]
        sparse = self._sparse.gradients()
        norm: Tensor = torch.linalg.vector_norm(torch.stack(torch._foreach_norm([*dense, *sparse])))
        if self._clip_norm is not None:
            scale = (self._clip_norm / (norm + 1e-6)).clamp(max=1.0)
            torch._foreach_mul_([*dense, *sparse], scale)
        self._dense.step()
        self._dense.zero_grad(set_to_none=True)
        self._sparse.step(sparse)
        return norm

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
