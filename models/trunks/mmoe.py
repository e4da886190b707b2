"""Multi-gate mixture of experts: tasks share experts, and each weighs them for itself.

Shape legend: B rows, K experts, T tasks, H trunk output width, O outputs of the first layers of all experts, or of all gates.
"""

from collections.abc import Sequence
from typing import Literal, cast

import torch
from pydantic import Field
from torch import Tensor, nn

from models.by_task import ByTask
from models.component import ComponentConfig
from models.encoders.base import Encoded, EncodedShape
from models.first_layers import first_layers
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
        self.width, self.tasks = config.hidden[-1], tuple(tasks)
        self.experts = nn.ModuleList(mlp(shape.width, config.hidden, config.dropout) for _ in range(config.num_experts))
        self.gates = ByTask({task: nn.Linear(shape.width, config.num_experts, bias=False) for task in tasks})

    def forward(self, encoded: Encoded) -> dict[str, Tensor]:
        """Return every task's mixture of the experts, [B, H]."""
        experts = [cast(nn.Sequential, expert) for expert in self.experts]
        read_BO = first_layers(encoded, [cast(nn.Linear, expert[0]) for expert in experts])
        # An activation and a mask for all experts at once; then each goes on with its own part.
        parts = experts[0][1:3](read_BO).chunk(len(experts), dim=1)
        expert_BKH = torch.stack([expert[3:](part) for expert, part in zip(experts, parts, strict=True)], dim=1)
        mixed_BTH = self._weights(encoded) @ expert_BKH
        return dict(zip(self.tasks, mixed_BTH.unbind(dim=1), strict=True))

    def weights(self, encoded: Encoded) -> dict[str, Tensor]:
        """Return task -> weights of the experts, [B, K], each row summing to 1."""
        return dict(zip(self.tasks, self._weights(encoded).unbind(dim=1), strict=True))

    def _weights(self, encoded: Encoded) -> Tensor:
        """Return the weights of all tasks, [B, T, K], by one product of all gates."""
        logit_BO = first_layers(encoded, list(self.gates.values()))
        return torch.softmax(logit_BO.view(logit_BO.shape[0], len(self.tasks), -1), dim=2)

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
