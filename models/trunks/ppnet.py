"""PPNet of PEPNet: whose row it is, and of what, scales every layer of every task.

Shape legend: B rows, D embedding width, E width of the flat encoding, H width of a layer, X width of what gates read.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from models.by_task import ByTask
from models.columns import Columns
from models.component import ComponentConfig
from models.encoders.base import Encoded, EncodedShape
from models.gate_nu import GateNu
from models.ranges import Dropout, Width, Widths
from models.trunks.base import Trunk

PRIORS = ("user_id", "video_id", "author_id")
"""Fields that gates read unless a recipe names others; those that are not encoded are left out."""


class PpNetConfig(ComponentConfig):
    """Widths of every task's network, and what its gates read and scale."""

    kind: Literal["ppnet"] = "ppnet"
    hidden: Widths = Field(default=(128, 64), min_length=1)
    """Widths of every task's layers."""
    priors: tuple[str, ...] | None = None
    """Categorical fields whose embeddings the gates read and teach; null: user_id, video_id and author_id, if encoded."""
    gate_width: Width = 64
    """Hidden width of every gate."""
    gate: Literal["output", "input"] = "output"
    """Which side of a layer is scaled."""
    dropout: Dropout = 0.2
    """Share of a layer's outputs that is left out, at random, in a step."""

    @property
    def fields(self) -> tuple[str, ...]:
        """Categorical fields that it names."""
        return self.priors or ()


class PpNet(Trunk):
    """h_l = relu(W_l h_{l-1} + b_l) * GateNU_l([e_prior ...; sg(x)]), h_0 = x, a network and its gates for every task.

    Source: Chang et al., PEPNet, KDD 2023; docs/methods/multi_task.md#ppnet. Embeddings of the priors are those of the
    encoder, not a table of their own; dropout comes after the gate. While all gates are 1, every task has a plain
    network of its own.

    Raises:
        ValueError: if the encoder does not read a named prior.
    """

    Config = PpNetConfig

    def __init__(self, config: PpNetConfig, shape: EncodedShape, tasks: Sequence[str]) -> None:
        super().__init__(config, shape, tasks)
        named = config.priors
        fields = tuple(name for name in PRIORS if name in shape.field_names) if named is None else named
        self.priors = Columns([shape.column(name, "trunk 'ppnet' (priors)") for name in fields])
        self.width = config.hidden[-1]
        self.gates_input = config.gate == "input"
        self.dropout = nn.Dropout(config.dropout)
        sizes = list(pairwise((shape.width, *config.hidden)))
        read = len(fields) * shape.embedding_dim + shape.width
        self.layers = ByTask({task: nn.ModuleList(nn.Linear(*size) for size in sizes) for task in tasks})
        self.gates = ByTask(
            {
                task: nn.ModuleList(GateNu(read, config.gate_width, size[not self.gates_input]) for size in sizes)
                for task in tasks
            }
        )

    def forward(self, encoded: Encoded) -> dict[str, Tensor]:
        """Return the last layer of every task's network, [B, H]."""
        read_BX = self._read(encoded)
        return {task: self._network(task, encoded.flat_BE, read_BX) for task, _ in self.layers.items()}

    def _read(self, encoded: Encoded) -> Tensor:
        """Return what the gates read, [B, X]: the priors, and the encoding without its gradient."""
        prior_BX = self.priors(encoded.fields_BFD).flatten(start_dim=1)
        return torch.cat([prior_BX, encoded.flat_BE.detach()], dim=1)

    def _network(self, task: str, h_BH: Tensor, read_BX: Tensor) -> Tensor:
        for layer, gate in zip(self.layers[task], self.gates[task], strict=True):
            gate_BH = gate(read_BX)
            h_BH = torch.relu(layer(h_BH * gate_BH)) if self.gates_input else torch.relu(layer(h_BH)) * gate_BH
            h_BH = self.dropout(h_BH)
        return h_BH

    def shared_parameters(self) -> list[nn.Parameter]:
        """Return nothing: every network and every gate belongs to one task."""
        return []

    @torch.no_grad()
    def diagnostics(self, encoded: Encoded) -> dict[str, float]:
        """Return the mean and the standard deviation of every task's gates, over rows, layers and their numbers."""
        read_BX, numbers = self._read(encoded), {}
        for task, gates in self.gates.items():
            gate_BX = torch.cat([gate(read_BX) for gate in gates], dim=1)
            numbers[f"gate_mean/{task}"] = float(gate_BX.mean())
            numbers[f"gate_sd/{task}"] = float(gate_BX.std(correction=0))
        return numbers
