"""A law of watch time on a few nodes, for expectations of losses that are linear in no function of the label.

Shape legend: B rows, N nodes.
"""

import torch
from torch import Tensor

NUM_NODES = 33
"""From 0 to the longest label, closer together where watch times are: the gaps grow like the square root of the node."""


def nodes(longest_B: Tensor) -> Tensor:
    """Return the watch times a row's law lives on, ascending from 0 to `longest`, seconds [B, N]."""
    return longest_B.unsqueeze(1) * torch.linspace(0, 1, NUM_NODES, device=longest_B.device).square()


def node_weights(watch_B: Tensor, longest_B: Tensor) -> Tensor:
    """Return a watch time as a law on the nodes: linear between the two around it, so that its mean is kept, [B, N].

    The expectation of a function under it is the function's linear interpolation at the watch time.
    """
    node_BN = nodes(longest_B)
    watch_B1 = watch_B.unsqueeze(1)
    lower_B1 = (torch.searchsorted(node_BN, watch_B1, right=True) - 1).clamp(0, NUM_NODES - 2)
    left_B1, right_B1 = node_BN.gather(1, lower_B1), node_BN.gather(1, lower_B1 + 1)
    inside_B1 = ((watch_B1 - left_B1) / (right_B1 - left_B1)).clamp(0, 1)
    return torch.zeros_like(node_BN).scatter(1, lower_B1, 1 - inside_B1).scatter(1, lower_B1 + 1, inside_B1)
