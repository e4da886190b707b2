"""Progressive layered extraction: every task has experts of its own beside the shared ones, layer upon layer.

Shape legend: B rows, K experts a gate chooses from, H width of an expert's output.
"""

from collections.abc import Mapping, Sequence
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from models.by_task import ByTask
from models.component import ComponentConfig
from models.encoders.base import Encoded, EncodedShape
from models.mlp import mlp
from models.ranges import Copies, Dropout, Widths
from models.trunks.base import Trunk


class PleConfig(ComponentConfig):
    """Number of layers and experts, and the experts' widths."""

    kind: Literal["ple"] = "ple"
    num_layers: Copies = 2
    """Extraction layers; 1 is CGC."""
    own_experts: Copies = 2
    """Experts of every task, per layer."""
    shared_experts: Copies = 2
    """Experts of all tasks, per layer."""
    hidden: Widths = Field(default=(128, 64), min_length=1)
    """Widths of every expert."""
    dropout: Dropout = 0.2
    """Share of a layer's outputs that is left out, at random, in a step."""


class Ple(Trunk):
    """h_t = sum_k softmax(W_t x_t)_k f_k over the task's own experts, which read x_t, and the shared ones, which read x_0.

    Source: Tang et al., RecSys 2020; docs/methods/multi_task.md#ple. The next layer's x_t is h_t; its x_0 mixes all
    experts of all tasks by a gate of its own, which the last layer does not have. Gates have no bias.
    """

    Config = PleConfig

    def __init__(self, config: PleConfig, shape: EncodedShape, tasks: Sequence[str]) -> None:
        super().__init__(config, shape, tasks)
        self.tasks = tuple(tasks)
        self.width = config.hidden[-1]
        *early, last = [shape.width] + [self.width] * (config.num_layers - 1)
        self.early = nn.ModuleList(_Extraction(config, width, self.tasks) for width in early)
        self.last = _Extraction(config, last, self.tasks, is_last=True)

    def forward(self, encoded: Encoded) -> dict[str, Tensor]:
        """Return every task's mixture after the last layer, [B, H]."""
        mixed: dict[str, Tensor] = self.last(*self._before_last(encoded))[0]
        return mixed

    def _before_last(self, encoded: Encoded) -> tuple[dict[str, Tensor], Tensor]:
        """Return what the last layer reads: x of every task, and of the shared path."""
        own, shared_BE = dict.fromkeys(self.tasks, encoded.flat_BE), encoded.flat_BE
        for layer in self.early:
            own, shared_BE = layer(own, shared_BE)
        return own, shared_BE

    def shared_parameters(self) -> list[nn.Parameter]:
        """Return what several tasks train: shared experts, and all that feeds the shared path of a later layer."""
        return [*self.early.parameters(), *self.last.shared.parameters()]

    @torch.no_grad()
    def diagnostics(self, encoded: Encoded) -> dict[str, float]:
        """Return for every task the weight that its last gate gives to the shared experts, and the gate's entropy."""
        own, _ = self._before_last(encoded)
        numbers = {}
        for task in self.tasks:
            weight_BK = torch.softmax(self.last.gates[task](own[task]), dim=1)
            numbers[f"gate_entropy/{task}"] = float(torch.special.entr(weight_BK).sum(dim=1).mean())
            numbers[f"shared_share/{task}"] = float(weight_BK[:, -len(self.last.shared) :].sum(dim=1).mean())
        return numbers


class _Extraction(nn.Module):
    """One layer: experts, and a gate per task; all but the last layer also mix what the shared experts of the next read."""

    def __init__(self, config: PleConfig, in_width: int, tasks: Sequence[str], is_last: bool = False) -> None:
        super().__init__()

        def experts(number: int) -> nn.ModuleList:
            return nn.ModuleList(mlp(in_width, config.hidden, config.dropout) for _ in range(number))

        seen = config.own_experts + config.shared_experts
        everything = len(tasks) * config.own_experts + config.shared_experts
        self.own = ByTask({task: experts(config.own_experts) for task in tasks})
        self.shared = experts(config.shared_experts)
        self.gates = ByTask({task: nn.Linear(in_width, seen, bias=False) for task in tasks})
        self.shared_gate = None if is_last else nn.Linear(in_width, everything, bias=False)

    def forward(self, x: Mapping[str, Tensor], shared_BE: Tensor) -> tuple[dict[str, Tensor], Tensor]:
        """Return the next x of every task and of the shared path (its input again where there is no next layer)."""
        shared = [expert(shared_BE) for expert in self.shared]
        own = {task: [expert(x_BE) for expert in self.own[task]] for task, x_BE in x.items()}
        mixed = {task: _mixture(self.gates[task](x_BE), [*own[task], *shared]) for task, x_BE in x.items()}
        if self.shared_gate is None:
            return mixed, shared_BE
        everything = [output for outputs in own.values() for output in outputs] + shared
        return mixed, _mixture(self.shared_gate(shared_BE), everything)


def _mixture(logit_BK: Tensor, experts: Sequence[Tensor]) -> Tensor:
    """Return the experts' outputs weighted by a softmax, [B, H]."""
    weight_BK = torch.softmax(logit_BK, dim=1)
    return (weight_BK.unsqueeze(2) * torch.stack(list(experts), dim=1)).sum(dim=1)
