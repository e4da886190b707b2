"""A branch that guesses the duration from what a tower reads, its gradient reversed: what it can find, the ranker unlearns.

Shape legend: B rows, H trunk output width.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from models.ranges import Weight, Widths
from models.towers import Tower, TowerConfig

_LEAST_SPREAD = 1e-3
"""Where all videos last alike."""


class AdversaryConfig(BaseModel):
    """The adversary of every task that learns watch time (DVR)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    weight: Weight = 0.1
    """Strength of the reversed gradient, as a share of the adversary's own."""
    hidden: Widths = (32, 32)
    """Widths of its hidden layers."""


class DurationAdversary(nn.Module):
    """Regresses the standardised log(1 + duration) on a task's representation and works against what it finds there.

    Source: Zheng et al., MM 2022 (arXiv 2208.05190), docs/methods/watch_time.md#duration-adversary; which layer the
    branch reads, and that it predicts the standardised logarithm, is our reading. It goes with heads whose label is
    free of duration (`wtg`, `d2q` ...), and with a recipe that sets the duration's own fields apart: what is read off
    the input need not be learned.

    Args:
        width: H.
        state: what `fit_durations` returned.
    """

    center: Tensor
    spread: Tensor

    def __init__(self, config: AdversaryConfig, width: int, state: Mapping[str, NDArray[Any]]) -> None:
        super().__init__()
        for name in ("center", "spread"):
            self.register_buffer(name, torch.tensor(float(state[name])), persistent=False)
        self.weight = config.weight
        self.tower = Tower(TowerConfig(hidden=config.hidden, dropout=0.0), width, num_outputs=1)

    def forward(self, h_BH: Tensor, duration_B: Tensor) -> Tensor:
        """Return a scalar of value 0 whose gradient trains the adversary and, reversed, what it reads.

        The value is 0 so that the losses reported, and rules that balance losses by their values, are the task's own.
        """
        reversed_BH: Tensor = _Reverse.apply(h_BH, self.weight)  # type: ignore[no-untyped-call]
        error = (self._guess(reversed_BH) - self._target(duration_B)).square().mean()
        return error - error.detach()

    @torch.no_grad()
    def explained(self, h_BH: Tensor, duration_B: Tensor) -> float:
        """Return which share of log(1 + duration)'s variance the adversary explains; negative: less than its mean does."""
        target_B = self._target(duration_B)
        error = (self._guess(h_BH) - target_B).square().mean()
        return float(1 - error / target_B.var(correction=0).clamp(min=1e-12))

    def _target(self, duration_B: Tensor) -> Tensor:
        return (torch.log1p(duration_B) - self.center) / self.spread

    def _guess(self, h_BH: Tensor) -> Tensor:
        guess_B1: Tensor = self.tower(h_BH)
        return guess_B1[:, 0].float()


def fit_durations(duration_s: NDArray[np.float64]) -> dict[str, NDArray[Any]]:
    """Return `center` and `spread`, mean and standard deviation of the train rows' log(1 + duration), float32 ()."""
    logs = np.log1p(duration_s)
    found = {"center": logs.mean(), "spread": max(logs.std(), _LEAST_SPREAD)}
    return {name: np.asarray(value, dtype=np.float32) for name, value in found.items()}


class _Reverse(torch.autograd.Function):
    """The identity, whose gradient comes back negative."""

    @staticmethod
    def forward(context: Any, value: Tensor, weight: float) -> Tensor:
        context.weight = weight
        return value.view_as(value)

    @staticmethod
    @once_differentiable
    def backward(context: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return -context.weight * gradient, None
