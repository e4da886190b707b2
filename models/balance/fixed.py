"""Fixed weights: the sum of unit-free losses."""

from collections.abc import Mapping, Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from models.balance.base import Balance
from models.component import ComponentConfig


class FixedConfig(ComponentConfig):
    """Nothing to set: the weights are those of the tasks."""

    kind: Literal["fixed"] = "fixed"


class Fixed(Balance):
    """total = sum_t a_t L_t."""

    Config = FixedConfig
    divisible = True

    def __init__(self, config: FixedConfig, weights: Mapping[str, float]) -> None:
        super().__init__(config, weights)
        self.weights = dict(weights)

    def backward(self, losses: Mapping[str, Tensor], shared: Sequence[nn.Parameter]) -> Tensor:
        """Fill the gradients and return the total, detached."""
        total = torch.stack([self.weights[task] * loss for task, loss in losses.items()]).sum()
        total.backward()  # type: ignore[no-untyped-call]
        return total.detach()
