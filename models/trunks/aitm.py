"""Adaptive information transfer: along the chain, each task attends to what the task before passes on.

Shape legend: B rows, H trunk output width, O outputs of a head.
"""

import math
from collections.abc import Sequence
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from models.by_task import ByTask
from models.component import ComponentConfig
from models.encoders.base import Encoded, EncodedShape
from models.mlp import mlp
from models.ranges import Dropout, WeightOrNone, Widths
from models.trunks.base import Trunk
from models.trunks.chain import chain_of


class AitmConfig(ComponentConfig):
    """Widths of the tasks' networks and the strength of the order between probabilities."""

    kind: Literal["aitm"] = "aitm"
    hidden: Widths = Field(default=(128, 64), min_length=1)
    """Widths of the layers of a task."""
    dropout: Dropout = 0.2
    """Share of a layer's outputs that is left out, at random, in a step."""
    order_weight: WeightOrNone = 0.6
    """Weight of mean relu(P(later act) - P(earlier act)), added to the later task's loss."""


class Aitm(Trunk):
    """z_t = attention over {p_t, q_t}, p_t = g_t(z_{t-1}) passed on along the chain, q_t the task's own network.

    Source: Xi et al., KDD 2021; docs/methods/multi_task.md#aitm. The chain, not skipped -> valid -> long -> finish, is
    our reading. Tasks outside it, and its first, keep their own network's output.
    """

    Config = AitmConfig
    weighs_rows = False

    def __init__(self, config: AitmConfig, shape: EncodedShape, tasks: Sequence[str]) -> None:
        super().__init__(config, shape, tasks)
        self.chain, self.order_weight = chain_of(tasks), config.order_weight
        self.width = config.hidden[-1]
        self.own = ByTask({task: mlp(shape.width, config.hidden, config.dropout) for task in tasks})
        later = self.chain[1:]
        self.passed = ByTask({task: nn.Sequential(nn.Linear(self.width, self.width), nn.ReLU()) for task in later})
        self.attention = ByTask(
            {task: nn.ModuleList(nn.Linear(self.width, self.width) for _ in range(3)) for task in later}
        )

    def forward(self, encoded: Encoded) -> dict[str, Tensor]:
        """Return every task's representation, [B, H]."""
        z = {task: network(encoded.flat_BE) for task, network in self.own.items()}
        for before, task in zip(self.chain, self.chain[1:], strict=False):
            z[task] = self._attend(task, self.passed[task](z[before]), z[task])
        return z

    def _attend(self, task: str, passed_BH: Tensor, own_BH: Tensor) -> Tensor:
        """Return the mixture of the two inputs' values, each weighed by its own <key, query> / sqrt(H)."""
        value, key, query = self.attention[task]
        both_B2H = torch.stack([passed_BH, own_BH], dim=1)
        weight_B2 = torch.softmax((key(both_B2H) * query(both_B2H)).sum(dim=2) / math.sqrt(self.width), dim=1)
        mixed_BH: Tensor = (weight_B2.unsqueeze(2) * value(both_B2H)).sum(dim=1)
        return mixed_BH

    def penalties(self, raw: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return for each later act how far its probability exceeds that of the act it implies."""
        found = {}
        for before, task in zip(self.chain, self.chain[1:], strict=False):
            earlier_B = torch.sigmoid(-raw[before] if before == "skip" else raw[before])
            found[task] = self.order_weight * torch.relu(torch.sigmoid(raw[task]) - earlier_B).mean()
        return found

    def shared_parameters(self) -> list[nn.Parameter]:
        """Return the networks of the chain but its last, which later tasks train through what is passed on."""
        return [p for task in self.chain[:-1] for p in self.own[task].parameters()]
