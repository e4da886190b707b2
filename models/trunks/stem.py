"""STEM: a table of embeddings for every task beside the shared one; all experts are seen, only one's own are taught.

Shape legend: B rows, E width of the flat encoding, K experts that a gate weighs, H trunk output width.
"""

from collections.abc import Mapping, Sequence
from typing import ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from models.by_task import ByTask
from models.component import ComponentConfig
from models.encoders.base import Encoded, EncodedShape
from models.mlp import mlp
from models.ranges import Copies, Dropout, Widths
from models.trunks.base import Trunk


class StemConfig(ComponentConfig):
    """Number and widths of the experts."""

    kind: Literal["stem"] = "stem"
    own_experts: Copies = 1
    """Experts of every task, which read the task's own encoding."""
    shared_experts: Copies = 1
    """Experts of all tasks, which read the shared encoding."""
    hidden: Widths = Field(default=(128, 64), min_length=1)
    """Widths of every expert."""
    dropout: Dropout = 0.2
    """Share of a layer's outputs that is left out, at random, in a step."""


class Stem(Trunk):
    """h_t = sum_k softmax(W_t (x_t + x_0))_k f_k over the experts of all tasks and the shared ones.

    Task t's experts read x_t, the batch as the task's own encoder sees it, and the shared ones x_0. The outputs of other
    tasks' experts enter without their gradient, so that a task's tables and experts learn from its own loss alone.

    Source: Su et al., AAAI 2024 (arXiv 2308.13537); docs/methods/multi_task.md#stem. One layer, gates without bias;
    widths and embedding size are dwell's usual ones, not the paper's. A backbone crosses the shared encoding only, so
    one that changes its width is refused.
    """

    Config = StemConfig
    own_encoders: ClassVar[bool] = True

    def __init__(self, config: StemConfig, shape: EncodedShape, tasks: Sequence[str]) -> None:
        super().__init__(config, shape, tasks)

        def experts(number: int) -> nn.ModuleList:
            return nn.ModuleList(mlp(shape.width, config.hidden, config.dropout) for _ in range(number))

        self.tasks = tuple(tasks)
        self.width = config.hidden[-1]
        self.own = ByTask({task: experts(config.own_experts) for task in self.tasks})
        self.shared = experts(config.shared_experts)
        seen = len(self.tasks) * config.own_experts + config.shared_experts
        self.gates = ByTask({task: nn.Linear(shape.width, seen, bias=False) for task in self.tasks})

    def forward(self, encoded: Encoded) -> dict[str, Tensor]:
        """Return every task's mixture of all experts, [B, H].

        Raises:
            ValueError: if the tasks' own encodings are not as wide as the shared one, which a backbone has widened.
        """
        weights = self.weights(encoded)
        own = {task: [expert(encoded.own[task].flat_BE) for expert in experts] for task, experts in self.own.items()}
        shared = [expert(encoded.flat_BE) for expert in self.shared]
        return {task: _mixture(weights[task], [*_seen_by(task, own), *shared]) for task in self.tasks}

    def weights(self, encoded: Encoded) -> dict[str, Tensor]:
        """Return task -> weights of all tasks' experts in order, then of the shared ones, [B, K], rows summing to 1.

        Raises:
            ValueError: if the encodings differ in width.
        """
        return {task: torch.softmax(gate(_gate_input(task, encoded)), dim=1) for task, gate in self.gates.items()}

    def shared_parameters(self) -> list[nn.Parameter]:
        """Return the shared experts' parameters; gates and all other experts belong to one task."""
        return list(self.shared.parameters())

    @torch.no_grad()
    def diagnostics(self, encoded: Encoded) -> dict[str, float]:
        """Return every gate's mean entropy (nats), and the weight it gives to its task's own and to the shared experts."""
        numbers = {}
        for position, (task, weight_BK) in enumerate(self.weights(encoded).items()):
            own = len(self.own[task])
            share_K = weight_BK.mean(dim=0)
            numbers[f"gate_entropy/{task}"] = float(torch.special.entr(weight_BK).sum(dim=1).mean())
            numbers[f"own_share/{task}"] = float(share_K[position * own : (position + 1) * own].sum())
            numbers[f"shared_share/{task}"] = float(share_K[-len(self.shared) :].sum())
        return numbers


def _gate_input(task: str, encoded: Encoded) -> Tensor:
    """Return x_t + x_0, [B, E]."""
    own_BE, shared_BE = encoded.own[task].flat_BE, encoded.flat_BE
    if own_BE.shape[1] != shared_BE.shape[1]:
        raise ValueError(
            f"trunk 'stem' adds a task's own encoding to the shared one, but that of {task!r} is {own_BE.shape[1]} wide and "
            f"the shared one {shared_BE.shape[1]}: the backbone changes widths, choose backbone 'none' or a stacked cross"
        )
    return own_BE + shared_BE


def _seen_by(task: str, own: Mapping[str, Sequence[Tensor]]) -> list[Tensor]:
    """Return all tasks' experts' outputs in order, those of other tasks without their gradient."""
    return [output if of == task else output.detach() for of, outputs in own.items() for output in outputs]


def _mixture(weight_BK: Tensor, experts: Sequence[Tensor]) -> Tensor:
    """Return the experts' outputs weighted, [B, H]."""
    return (weight_BK.unsqueeze(2) * torch.stack(list(experts), dim=1)).sum(dim=1)
