"""The gate of PEPNet: what is known of a row scales what is computed of it."""

import torch
from torch import Tensor, nn


class GateNu(nn.Module):
    """2 s(W_2 relu(W_1 x + b_1) + b_2), in (0, 2).

    W_2 and b_2 start at 0: every gate is 1, and what is gated is what it would be without, until there is a reason.

    Source: Chang et al., PEPNet, KDD 2023; docs/methods/backbones.md#epnet. The start is ours.

    Args:
        in_width: of what the gate reads.
        hidden: width of its hidden layer.
        out_width: of what it gates.
    """

    def __init__(self, in_width: int, hidden: int, out_width: int) -> None:
        super().__init__()
        self.hidden = nn.Linear(in_width, hidden)
        self.output = nn.Linear(hidden, out_width)
        nn.init.zeros_(self.output.weight)
        nn.init.zeros_(self.output.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Return the gates, one row of them per row of `x`."""
        gate: Tensor = 2 * torch.sigmoid(self.output(torch.relu(self.hidden(x))))
        return gate
