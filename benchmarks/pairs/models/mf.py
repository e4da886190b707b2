"""Matrix factorisation, with biases or as the literature's plain dot product.

Shape legend: B pairs, K width of an embedding, E width of the encoding.
"""

from typing import Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from benchmarks.pairs.models.additive import Additive, AdditiveConfig
from benchmarks.pairs.models.base import PairInputs, Scorer, embedding
from models.component import ComponentConfig


class MfConfig(ComponentConfig):
    """Width and start of the embeddings."""

    kind: Literal["mf"] = "mf"
    embedding_dim: int = Field(default=8, gt=0)
    init_sd: float = Field(default=0.1, gt=0)
    """Standard deviation of the embeddings at the start; 1 in public code."""
    biases: bool = True
    """Add offset, user bias and item bias; public code has none."""


class Mf(Scorer):
    """p_u . q_i (+ offset + b_u + c_i); the encoding is [p_u, q_i, p_u * q_i]."""

    Config = MfConfig

    def __init__(self, config: MfConfig, inputs: PairInputs) -> None:
        super().__init__(config, inputs)
        self.width = 3 * config.embedding_dim
        self.user = embedding(inputs.num_users, config.embedding_dim, config.init_sd)
        self.item = embedding(inputs.num_items, config.embedding_dim, config.init_sd)
        self.biases = Additive(AdditiveConfig(), inputs) if config.biases else None

    def forward(self, user_B: Tensor, item_B: Tensor) -> tuple[Tensor, Tensor]:
        """Return the logits, [B], and the encoding of the pairs, [B, E]."""
        user_BK, item_BK = self.user(user_B), self.item(item_B)
        product_BK = user_BK * item_BK
        logit_B = product_BK.sum(dim=1)
        if self.biases is not None:
            logit_B = logit_B + self.biases(user_B, item_B)[0]
        return logit_B, torch.cat([user_BK, item_BK, product_BK], dim=1)

    def undecayed_parameters(self) -> list[nn.Parameter]:
        """Return the offset, where there is one."""
        return [] if self.biases is None else self.biases.undecayed_parameters()
