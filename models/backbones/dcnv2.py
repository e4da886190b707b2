"""DCN-v2: cross layers, each of which raises the degree of the field interactions by one.

Shape legend: B rows, E width of the flat encoding, K experts of a mixture, R rank.
"""

from typing import Literal

import torch
from pydantic import model_validator
from torch import Tensor, nn

from models.backbones.cross import CrossBackbone, CrossConfig
from models.encoders.base import EncodedShape
from models.ranges import Copies, Width


class DcnV2Config(CrossConfig):
    """Number and form of the cross layers, and what the trunk reads beside them.

    Raises:
        ValueError: if there are several experts and no rank.
    """

    kind: Literal["dcnv2"] = "dcnv2"
    rank: Width | None = None
    """W = U V' of this rank; null is a full matrix."""
    num_experts: Copies = 1
    """More than one: a gated mixture of low-rank crosses in every layer (DCN-Mix), which needs a rank."""

    @model_validator(mode="after")
    def _experts_are_low_rank(self) -> "DcnV2Config":
        if self.num_experts > 1 and self.rank is None:
            raise ValueError(f"num_experts {self.num_experts} needs a rank: a mixture is of low-rank crosses")
        return self


class DcnV2(CrossBackbone):
    """x_{l+1} = x_0 * (W_l x_l + b_l) + x_l over the flat encoding, dense features included.

    Source: Wang et al., WWW 2021 (arXiv 2008.13535).
    """

    Config = DcnV2Config

    def __init__(self, config: DcnV2Config, shape: EncodedShape) -> None:
        super().__init__(config, shape)
        self.layers = nn.ModuleList(_weight(config, shape.width) for _ in range(config.num_layers))

    def cross(self, flat_BE: Tensor) -> Tensor:
        """Return the last cross layer's output, [B, E]."""
        x_BE = flat_BE
        for layer in self.layers:
            x_BE = flat_BE * layer(x_BE) + x_BE
        return x_BE


def _weight(config: DcnV2Config, width: int) -> nn.Module:
    """Return W x + b in the configured form."""
    if config.rank is None:
        return nn.Linear(width, width)
    if config.num_experts == 1:
        return nn.Sequential(nn.Linear(width, config.rank, bias=False), nn.Linear(config.rank, width))
    return _Mixture(width, config.rank, config.num_experts)


class _Mixture(nn.Module):
    """sum_k softmax(G x)_k U_k tanh(C_k tanh(V_k' x)) + b."""

    def __init__(self, width: int, rank: int, num_experts: int) -> None:
        super().__init__()
        self.gate = nn.Linear(width, num_experts, bias=False)
        self.down = nn.ModuleList(nn.Linear(width, rank, bias=False) for _ in range(num_experts))
        self.core = nn.ModuleList(nn.Linear(rank, rank, bias=False) for _ in range(num_experts))
        self.up = nn.ModuleList(nn.Linear(rank, width, bias=False) for _ in range(num_experts))
        self.bias = nn.Parameter(torch.zeros(width))

    def forward(self, x_BE: Tensor) -> Tensor:
        weight_BK = torch.softmax(self.gate(x_BE), dim=1)
        experts = zip(self.down, self.core, self.up, strict=True)
        crossed_BKE = torch.stack([up(torch.tanh(core(torch.tanh(down(x_BE))))) for down, core, up in experts], dim=1)
        return (weight_BK.unsqueeze(2) * crossed_BKE).sum(dim=1) + self.bias
