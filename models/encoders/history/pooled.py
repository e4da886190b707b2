"""The plainest use of a history: the mean of its events.

Shape legend: B rows, L events, D embedding width.
"""

from typing import Literal

import torch
from torch import Tensor, nn

from models.batch import History
from models.component import ComponentConfig
from models.encoders.history.base import EMBEDDING_STD, EventEmbedding, HistoryEncoder
from models.schema import InputSchema


class PooledConfig(ComponentConfig):
    """Nothing to set."""

    kind: Literal["pooled"] = "pooled"


class PooledHistory(HistoryEncoder):
    """Masked mean of the event vectors; a learned vector stands in for an empty history (cold users)."""

    Config = PooledConfig

    def __init__(self, config: PooledConfig, schema: InputSchema, embedding_dim: int) -> None:
        super().__init__(config, schema, embedding_dim)
        self.width = embedding_dim
        self.events = EventEmbedding(schema, embedding_dim)
        self.empty_D = nn.Parameter(torch.empty(embedding_dim).normal_(std=EMBEDDING_STD))

    def forward(self, history: History | None, table: nn.Embedding, candidate_BD: Tensor) -> Tensor:
        """Return the mean event, [B, D]."""
        assert history is not None
        mask_BL1 = history.mask_BL.unsqueeze(2)
        sum_BD = (self.events(history, table) * mask_BL1).sum(dim=1)
        count_B1 = mask_BL1.sum(dim=1)
        return history.of_rows(torch.where(count_B1 > 0, sum_BD / count_B1.clamp(min=1), self.empty_D))
