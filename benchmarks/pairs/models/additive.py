"""User bias plus item bias: the least a personal score can be.

Shape legend: B pairs.
"""

from typing import Literal

import torch
from torch import Tensor, nn

from benchmarks.pairs.models.base import PairInputs, Scorer, zeros
from models.component import ComponentConfig


class AdditiveConfig(ComponentConfig):
    """Nothing to set."""

    kind: Literal["additive"] = "additive"


class Additive(Scorer):
    """offset + b_u + c_i; the encoding is the two biases."""

    Config = AdditiveConfig
    width = 2

    def __init__(self, config: AdditiveConfig, inputs: PairInputs) -> None:
        super().__init__(config, inputs)
        self.offset = nn.Parameter(torch.tensor(inputs.offset))
        self.user_bias = zeros(inputs.num_users)
        self.item_bias = zeros(inputs.num_items)

    def forward(self, user_B: Tensor, item_B: Tensor) -> tuple[Tensor, Tensor]:
        """Return the logits, [B], and the encoding of the pairs, [B, 2]."""
        encoded_BE = torch.cat([self.user_bias(user_B), self.item_bias(item_B)], dim=1)
        return self.offset + encoded_BE.sum(dim=1), encoded_BE

    def undecayed_parameters(self) -> list[nn.Parameter]:
        """Return the offset."""
        return [self.offset]
