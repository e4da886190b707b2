"""The last layers of a task, from the trunk's output to the raw outputs of its head.

Shape legend: B rows, H trunk output width, O outputs of a head.
"""

from pydantic import BaseModel, ConfigDict
from torch import Tensor, nn

from models.mlp import mlp
from models.ranges import Dropout, Widths


class TowerConfig(BaseModel):
    """Every task gets a tower of its own with these widths."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    hidden: Widths = ()
    """Widths of the hidden layers; empty is one linear layer. MMoE is usually given (64,)."""
    dropout: Dropout = 0.2
    """Share of a layer's outputs that is left out, at random, in a step."""


class Tower(nn.Module):
    """Hidden layers of one task, then a linear layer to its raw outputs.

    Args:
        in_width: H.
        num_outputs: O; 1 for a binary task, `Head.num_outputs` for watch time.
    """

    def __init__(self, config: TowerConfig, in_width: int, num_outputs: int) -> None:
        super().__init__()
        self.hidden = mlp(in_width, config.hidden, config.dropout)
        self.output = nn.Linear(config.hidden[-1] if config.hidden else in_width, num_outputs)

    def forward(self, h_BH: Tensor) -> Tensor:
        """Return the raw outputs, [B, O]."""
        out_BO: Tensor = self.output(self.hidden(h_BH))
        return out_BO
