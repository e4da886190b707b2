"""Gradient surgery: a task's gradient gives up the part that works against another task.

Shape legend: T tasks, P numbers in the shared parameters.
"""

from collections.abc import Mapping, Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from models.balance.base import Balance
from models.balance.task_gradients import backward_per_task, set_shared
from models.component import ComponentConfig


class PcGradConfig(ComponentConfig):
    """Nothing to set."""

    kind: Literal["pcgrad"] = "pcgrad"


class PcGrad(Balance):
    """For each task i, over the others j in random order: if <g_i, g_j> < 0, g_i -= <g_i, g_j> / |g_j|^2 g_j; then the sum.

    Source: Yu et al., NeurIPS 2020; docs/methods/multi_task.md#pcgrad. Needs one backward pass per task. g_j are the
    gradients of the weighted losses as they came.
    """

    Config = PcGradConfig

    def __init__(self, config: PcGradConfig, weights: Mapping[str, float]) -> None:
        super().__init__(config, weights)
        self.weights = dict(weights)

    def backward(self, losses: Mapping[str, Tensor], shared: Sequence[nn.Parameter]) -> Tensor:
        """Fill the gradients and return the weighted sum of the losses, detached."""
        weighted = [self.weights[task] * loss for task, loss in losses.items()]
        gradient_TP = backward_per_task(weighted, shared)
        orders = [torch.randperm(len(weighted)).tolist() for _ in weighted]
        set_shared(shared, projected(gradient_TP, orders).sum(dim=0))
        return torch.stack(weighted).sum().detach()


def projected(gradient_TP: Tensor, orders: Sequence[Sequence[int]]) -> Tensor:
    """Return the gradients after projection, [T, P].

    A projected gradient is a combination of the given ones, so all inner products follow from their T x T table.

    Args:
        gradient_TP: one gradient per task.
        orders: for each task, the order in which it meets the others (itself is passed over).
    """
    inner_TT = gradient_TP.double() @ gradient_TP.double().T
    combination_TT = torch.eye(len(gradient_TP), dtype=torch.float64, device=gradient_TP.device)
    for i, order in enumerate(orders):
        for j in order:
            overlap = combination_TT[i] @ inner_TT[:, j]
            if j != i:
                combination_TT[i, j] -= torch.where(overlap < 0, overlap / inner_TT[j, j], 0.0)
    return combination_TT.to(gradient_TP.dtype) @ gradient_TP
