"""Dual balancing: losses on a log scale, gradients smoothed over steps and brought to one length.

Shape legend: T tasks, P numbers in the shared parameters.
"""

from collections.abc import Mapping, Sequence
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from models.balance.base import Balance
from models.balance.task_gradients import backward_per_task, set_shared
from models.component import ComponentConfig
from models.ranges import Decay, Number

_SMALL = 1e-8


class DbMtlConfig(ComponentConfig):
    """How long gradients are remembered."""

    kind: Literal["db_mtl"] = "db_mtl"
    beta: Number = Field(default=0.9, ge=0, lt=1)
    """Share of the remembered gradient; divided by step^decay."""
    decay: Decay = 0.0
    """Exponent by which the memory fades with the steps (sigma of the source's configuration, 0 there)."""


class DbMtl(Balance):
    """sum_t (max_s |G_s| / |G_t|) G_t on shared parameters, G_t a running mean of the gradients of log(L_t + 1e-8).

    Source: Lin et al., 2023; docs/methods/multi_task.md#db-mtl. Static weights of the tasks would be undone by the
    rescaling of the gradients; here they multiply the rescaled ones.
    """

    Config = DbMtlConfig
    takes_logarithms = True
    weight_T: Tensor
    running_TP: Tensor
    steps: Tensor

    def __init__(self, config: DbMtlConfig, weights: Mapping[str, float]) -> None:
        super().__init__(config, weights)
        self.config = config
        self.register_buffer("weight_T", torch.tensor(list(weights.values())), persistent=False)
        self.register_buffer("running_TP", torch.zeros(len(weights), 0))
        self.register_counter("steps")

    def bind(self, shared: Sequence[nn.Parameter]) -> None:
        """Make room for the remembered gradients."""
        self.running_TP = torch.zeros(len(self.weight_T), sum(parameter.numel() for parameter in shared))

    def backward(self, losses: Mapping[str, Tensor], shared: Sequence[nn.Parameter]) -> Tensor:
        """Fill the gradients and return the weighted sum of the log losses, detached."""
        weight_T = self.chosen(self.weight_T, losses)
        logs = [torch.log(loss + _SMALL) for loss in losses.values()]
        gradient_TP = backward_per_task([w * value for w, value in zip(weight_T, logs, strict=True)], shared)
        running_TP = self._remember(gradient_TP / weight_T.to(gradient_TP).unsqueeze(1), list(losses))
        norm_T = running_TP.norm(dim=1)
        scale_T = torch.where(norm_T > 0, norm_T.max() / norm_T, 0.0) * weight_T.to(norm_T)
        set_shared(shared, scale_T @ running_TP)
        return (weight_T.to(logs[0]) * torch.stack(logs)).sum().detach()

    @torch.no_grad()
    def _remember(self, gradient_TP: Tensor, tasks: Sequence[str]) -> Tensor:
        """Return the running means of the given tasks after this step; the first step has nothing to remember."""
        self.steps += 1
        share = self.config.beta / float(self.steps) ** self.config.decay if self.steps > 1 else 0.0
        mean_TP = gradient_TP + share * (self.chosen(self.running_TP, tasks) - gradient_TP)
        self.put(self.running_TP, tasks, mean_TP)
        return mean_TP
