"""Shared bottom: one network for all tasks, which part only in their towers.

Shape legend: B rows, H trunk output width.
"""

from collections.abc import Sequence
from typing import Literal, cast

from pydantic import Field
from torch import Tensor, nn

from models.component import ComponentConfig
from models.encoders.base import Encoded, EncodedShape
from models.first_layers import first_layers
from models.mlp import mlp
from models.ranges import Dropout, Widths
from models.trunks.base import Trunk


class SharedBottomConfig(ComponentConfig):
    """Widths of the shared network."""

    kind: Literal["shared_bottom"] = "shared_bottom"
    hidden: Widths = Field(default=(128, 64), min_length=1)
    """Widths of the layers."""
    dropout: Dropout = 0.2
    """Share of a layer's outputs that is left out, at random, in a step."""


class SharedBottom(Trunk):
    """h = MLP(x), the same for every task (Caruana, 1997)."""

    Config = SharedBottomConfig

    def __init__(self, config: SharedBottomConfig, shape: EncodedShape, tasks: Sequence[str]) -> None:
        super().__init__(config, shape, tasks)
        self.tasks = tuple(tasks)
        self.width = config.hidden[-1]
        self.bottom = mlp(shape.width, config.hidden, config.dropout)

    def forward(self, encoded: Encoded) -> dict[str, Tensor]:
        """Return the shared representation under every task's name, [B, H]."""
        h_BH = self.bottom[1:](first_layers(encoded, [cast(nn.Linear, self.bottom[0])]))
        return dict.fromkeys(self.tasks, h_BH)
