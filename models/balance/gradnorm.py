"""GradNorm: weights are learned until every task pulls at the shared parameters as hard as its progress allows.

Shape legend: T tasks.
"""

from collections.abc import Mapping, Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from models.balance.base import Balance
from models.balance.task_gradients import backward_per_task, set_shared
from models.component import ComponentConfig
from models.ranges import WeightOrNone

_SMALL = 1e-12


class GradNormConfig(ComponentConfig):
    """How strongly lagging tasks are favoured."""

    kind: Literal["gradnorm"] = "gradnorm"
    alpha: WeightOrNone = 1.5
    """Exponent of the relative training rate; 0 makes all gradient norms equal."""


class GradNorm(Balance):
    """w = T softmax(v); v descends sum_t | |w_t g_t| - target_t |, target_t = mean_s |w_s g_s| (r_t / mean r)^alpha.

    Source: Chen et al., ICML 2018; docs/methods/multi_task.md#gradnorm. r_t is the task's loss over its first loss.
    Targets are constants of the step, so the slope in w_t is |g_t| sign(|w_t g_t| - target_t) and no second derivative
    is needed. Static weights multiply the losses before.
    """

    Config = GradNormConfig
    first_T: Tensor

    def __init__(self, config: GradNormConfig, weights: Mapping[str, float]) -> None:
        super().__init__(config, weights)
        self.alpha = config.alpha
        self.weights = dict(weights)
        self.logit_T = nn.Parameter(torch.zeros(len(weights)))
        self.register_buffer("first_T", torch.full((len(weights),), float("nan")))

    def backward(self, losses: Mapping[str, Tensor], shared: Sequence[nn.Parameter]) -> Tensor:
        """Fill the gradients, those of the weights' logits too, and return the weighted sum, detached."""
        loss_T = torch.stack([self.weights[task] * loss for task, loss in losses.items()])
        weight_T = len(losses) * torch.softmax(self.chosen(self.logit_T, losses), dim=0)
        gradient_TP = backward_per_task(list(weight_T.detach() * loss_T), shared)
        set_shared(shared, gradient_TP.sum(dim=0))
        slope_T = self._slope(gradient_TP.norm(dim=1), weight_T.detach(), loss_T.detach(), list(losses))
        (self.logit_T.grad,) = torch.autograd.grad(weight_T, self.logit_T, grad_outputs=slope_T)
        return (weight_T * loss_T).sum().detach()

    @torch.no_grad()
    def _slope(self, norm_T: Tensor, weight_T: Tensor, loss_T: Tensor, tasks: Sequence[str]) -> Tensor:
        """Return the slope of the criterion in the weights; `norm_T` are norms of the weighted gradients."""
        first_T = self.chosen(self.first_T, tasks)
        first_T = torch.where(first_T.isnan(), loss_T, first_T)
        self.put(self.first_T, tasks, first_T)
        rate_T = loss_T / first_T.clamp(min=_SMALL)
        target_T = norm_T.mean() * (rate_T / rate_T.mean().clamp(min=_SMALL)) ** self.alpha
        return norm_T / weight_T.clamp(min=_SMALL) * torch.sign(norm_T - target_T)
