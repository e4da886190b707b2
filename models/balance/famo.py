"""FAMO: all losses fall at one relative rate, learned from what the last step did, without a gradient per task.

Shape legend: T tasks.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from models.balance.base import Balance
from models.component import ComponentConfig
from models.ranges import Decay, StepSize

_SMALL = 1e-8
_BETAS = (0.9, 0.999)


class FamoConfig(ComponentConfig):
    """Adam of the weights' logits."""

    kind: Literal["famo"] = "famo"
    learning_rate: StepSize = 0.025
    """Step size of the weights' own optimiser."""
    weight_decay: Decay = 1e-3
    """Pull of the weights' logits towards equal weights."""


class Famo(Balance):
    """Descend sum_t z_t log D_t / c with z = softmax(v), D_t = L_t + 1e-8, c = sum_t z_t / D_t held constant.

    Source: Liu et al., NeurIPS 2023; docs/methods/multi_task.md#famo, with least losses of 0. After the step the same
    batch is seen again: v descends along J_softmax(v)^T (log D before - log D after), so tasks that fell much count
    less next. The rule looks at logs alone, out of which static weights of the tasks drop.
    """

    Config = FamoConfig
    uses_weights = False
    takes_logarithms = True
    logit_T: Tensor
    moment_T: Tensor
    square_T: Tensor
    steps: Tensor

    def __init__(self, config: FamoConfig, weights: Mapping[str, float]) -> None:
        super().__init__(config, weights)
        self.config = config
        for name in ("logit_T", "moment_T", "square_T"):
            self.register_buffer(name, torch.zeros(len(weights)))
        self.register_counter("steps")
        self._before: dict[str, Tensor] = {}

    def backward(self, losses: Mapping[str, Tensor], shared: Sequence[nn.Parameter]) -> Tensor:
        """Fill the gradients and return the total, detached."""
        share_T = torch.softmax(self.chosen(self.logit_T, losses), dim=0)
        gap_T = torch.stack(list(losses.values())) + _SMALL
        total = (share_T * torch.log(gap_T)).sum() / (share_T / gap_T.detach()).sum()
        self._before = dict(zip(losses, torch.log(gap_T.detach()), strict=True))
        total.backward()  # type: ignore[no-untyped-call]
        return total.detach()

    @torch.no_grad()
    def after_step(self, losses_again: Callable[[], Mapping[str, Tensor]]) -> None:
        """Move the weights by what the step did to each loss."""
        again = losses_again()
        fall_T = torch.stack([self._before[task] - torch.log(loss + _SMALL) for task, loss in again.items()])
        share_T = torch.softmax(self.chosen(self.logit_T, again), dim=0)
        gradient_T = torch.zeros_like(self.logit_T)
        self.put(gradient_T, again, share_T * (fall_T - (share_T * fall_T).sum()))
        self._adam(gradient_T + self.config.weight_decay * self.logit_T)

    def _adam(self, gradient_T: Tensor) -> None:
        first, second = _BETAS
        self.steps += 1
        self.moment_T.lerp_(gradient_T, 1 - first)
        self.square_T.lerp_(gradient_T.square(), 1 - second)
        mean_T = self.moment_T / (1 - first ** int(self.steps))
        spread_T = (self.square_T / (1 - second ** int(self.steps))).sqrt()
        self.logit_T -= self.config.learning_rate * mean_T / (spread_T + _SMALL)
