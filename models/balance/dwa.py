"""Dynamic weight average: tasks whose loss fell least over the last two epochs count more in the next.

Shape legend: T tasks.
"""

from collections.abc import Mapping, Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from models.balance.base import Balance
from models.component import ComponentConfig
from models.ranges import Weight


class DwaConfig(ComponentConfig):
    """How sharply the weights react."""

    kind: Literal["dwa"] = "dwa"
    temperature: Weight = 2.0
    """Larger is closer to equal weights."""


class Dwa(Balance):
    """total = sum_t a_t w_t L_t, w = T softmax(r / temperature), r_t the ratio of the last two epochs' mean losses.

    Source: Liu et al., CVPR 2019; docs/methods/multi_task.md#dynamic-weight-average. All w are 1 until two epochs are
    over.
    """

    Config = DwaConfig
    divisible = True
    last_T: Tensor
    before_T: Tensor

    def __init__(self, config: DwaConfig, weights: Mapping[str, float]) -> None:
        super().__init__(config, weights)
        self.temperature = config.temperature
        self.weights = dict(weights)
        self.register_buffer("last_T", torch.full((len(weights),), float("nan")))
        self.register_buffer("before_T", torch.full((len(weights),), float("nan")))

    def backward(self, losses: Mapping[str, Tensor], shared: Sequence[nn.Parameter]) -> Tensor:
        """Fill the gradients and return the total, detached."""
        factor_T = self.factors(list(losses))
        weighted = torch.stack([self.weights[task] * loss for task, loss in losses.items()])
        total = (factor_T.to(weighted) * weighted).sum()
        total.backward()  # type: ignore[no-untyped-call]
        return total.detach()

    def factors(self, tasks: Sequence[str]) -> Tensor:
        """Return w of some tasks, [T]; they sum to their number."""
        ratio_T = self.chosen(self.last_T, tasks) / self.chosen(self.before_T, tasks)
        known = torch.isfinite(ratio_T).all()
        return torch.where(known, len(tasks) * torch.softmax(ratio_T / self.temperature, dim=0), 1.0)

    def after_epoch(self, means: Mapping[str, float]) -> None:
        """Remember the mean loss of every task."""
        self.before_T.copy_(self.last_T)
        for row, task in enumerate(self.weights):
            if task in means:
                self.last_T[row] = means[task]
