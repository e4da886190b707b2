"""Multi-gate mixture of experts: tasks share experts, and each weighs them for itself.

Shape legend: B rows, K experts, H trunk output width.
"""

from collections.abc import Sequence
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

DEAD_SHARE = 0.01
"""An expert is dead when every task gives it a smaller mean weight than this."""


class MMoEConfig(ComponentConfig):
    """Number and widths of the experts."""

    kind: Literal["mmoe"] = "mmoe"
    num_experts: Copies = 4
    """Experts that every task mixes with a gate of its own."""
    hidden: Widths = Field(default=(128, 64), min_length=1)
    """Widths of the layers of an expert."""
    dropout: Dropout = 0.2
    """Share of a layer's outputs that is left out, at random, in a step."""


class MMoE(Trunk):
    """h_t = sum_e softmax(W_t x)_e f_e(x).

    Source: Ma et al., KDD 2018; docs/methods/multi_task.md#mmoe. Gates have no bias, as in the paper.
    """

    Config = MMoEConfig

    def __init__(self, config: MMoEConfig, shape: EncodedShape, tasks: Sequence[str]) -> None:
        super().__init__(config, shape, tasks)
        self.width = config.hidden[-1]
        self.experts = nn.ModuleList(mlp(shape.width, config.hidden, config.dropout) for _ in range(config.num_experts))
        self.gates = ByTask({task: nn.Linear(shape.width, config.num_experts, bias=False) for task in tasks})

    def forward(self, encoded: Encoded) -> dict[str, Tensor]:
        """Return every task's mixture of the experts, [B, H]."""
        expert_BKH = torch.stack([expert(encoded.flat_BE) for expert in self.experts], dim=1)
        return {
            task: (weight_BK.unsqueeze(2) * expert_BKH).sum(dim=1) for task, weight_BK in self.weights(encoded).items()
        }

    def weights(self, encoded: Encoded) -> dict[str, Tensor]:
        """Return task -> weights of the experts, [B, K], each row summing to 1."""
        return {task: torch.softmax(gate(encoded.flat_BE), dim=1) for task, gate in self.gates.items()}

    def shared_parameters(self) -> list[nn.Parameter]:
        """Return the experts' parameters; a gate belongs to its task."""
        return list(self.experts.parameters())

    @torch.no_grad()
    def diagnostics(self, encoded: Encoded) -> dict[str, float]:
        """Return every gate's mean entropy (nats; log K is an even mixture) and the number of dead experts."""
        weights = self.weights(encoded)
        numbers = {
            f"gate_entropy/{task}": float(torch.special.entr(weight_BK).sum(dim=1).mean())
            for task, weight_BK in weights.items()
        }
        share_TK = torch.stack([weight_BK.mean(dim=0) for weight_BK in weights.values()])
        numbers["dead_experts"] = float((share_TK < DEAD_SHARE).all(dim=0).sum())
        return numbers
