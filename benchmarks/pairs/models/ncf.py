"""The small network of the seed system's public procedure (docs/methods/debias.md#published-procedure).

Shape legend: B pairs, K width of an embedding, E width of the encoding.
"""

from typing import Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from benchmarks.pairs.models.base import PairInputs, Scorer, embedding
from models.component import ComponentConfig


class NcfConfig(ComponentConfig):
    """Width and start of the embeddings."""

    kind: Literal["ncf"] = "ncf"
    embedding_dim: int = Field(default=16, gt=0)
    init_sd: float = Field(default=1.0, gt=0)


class Ncf(Scorer):
    """[p_u, q_i] -> Linear(2k, k) ReLU Linear(k, k) ReLU Linear(k, 1); the encoding is the last hidden layer."""

    Config = NcfConfig

    def __init__(self, config: NcfConfig, inputs: PairInputs) -> None:
        super().__init__(config, inputs)
        self.width = config.embedding_dim
        self.user = embedding(inputs.num_users, config.embedding_dim, config.init_sd)
        self.item = embedding(inputs.num_items, config.embedding_dim, config.init_sd)
        self.hidden = nn.Sequential(
            nn.Linear(2 * self.width, self.width), nn.ReLU(), nn.Linear(self.width, self.width), nn.ReLU()
        )
        self.output = nn.Linear(self.width, 1)

    def forward(self, user_B: Tensor, item_B: Tensor) -> tuple[Tensor, Tensor]:
        """Return the logits, [B], and the encoding of the pairs, [B, E]."""
        encoded_BE = self.hidden(torch.cat([self.user(user_B), self.item(item_B)], dim=1))
        return self.output(encoded_BE)[:, 0], encoded_BE
