"""Uncertainty weighting with bounds: tasks with noisier losses count less, but never arbitrarily so."""

from collections.abc import Mapping, Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from models.balance.base import Balance
from models.by_task import key_of
from models.component import ComponentConfig

BOUND = 3.0
INITIAL = -0.5


class BoundedUncertaintyConfig(ComponentConfig):
    """Nothing to set."""

    kind: Literal["bounded_uncertainty"] = "bounded_uncertainty"


class BoundedUncertainty(Balance):
    """total = sum_t a_t (L_t / (2 e^s_t) + s_t / 2), s_t learned and kept in [-3, 3].

    Source: Kendall et al., CVPR 2018; docs/methods/multi_task.md#bounded-uncertainty. Differs from the paper: s_t is
    projected back to its interval before every step, since for tasks with rates near .001 it drifts without end; the
    static weight a_t multiplies the whole term, so that it does not merely shift s_t.
    """

    Config = BoundedUncertaintyConfig
    divisible = True

    def __init__(self, config: BoundedUncertaintyConfig, weights: Mapping[str, float]) -> None:
        super().__init__(config, weights)
        self.weights = dict(weights)
        self.log_variance = nn.ParameterDict({key_of(task): nn.Parameter(torch.tensor(INITIAL)) for task in weights})

    def backward(self, losses: Mapping[str, Tensor], shared: Sequence[nn.Parameter]) -> Tensor:
        """Fill the gradients and return the total, detached."""
        self._project()
        total = torch.stack([self._term(task, loss) for task, loss in losses.items()]).sum()
        total.backward()  # type: ignore[no-untyped-call]
        return total.detach()

    def _term(self, task: str, loss: Tensor) -> Tensor:
        s = self.log_variance[key_of(task)]
        term: Tensor = self.weights[task] * (loss / (2 * torch.exp(s)) + s / 2)
        return term

    @torch.no_grad()
    def _project(self) -> None:
        for s in self.log_variance.values():
            s.clamp_(-BOUND, BOUND)
