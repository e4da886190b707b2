"""Target attention: events count by how much they say about this candidate.

Shape legend: B rows, L events, D embedding width, H width of the unit, X any width.
"""

from typing import Literal, cast

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from models.batch import History
from models.component import ComponentConfig
from models.encoders.history.base import EMBEDDING_STD, EventEmbedding, HistoryEncoder
from models.mlp import mlp
from models.ranges import Widths
from models.schema import InputSchema


class AttentionConfig(ComponentConfig):
    """Size of the activation unit."""

    kind: Literal["attention"] = "attention"
    hidden: Widths = Field(default=(32,), min_length=1)
    """Widths of the unit that weighs an event against the candidate."""


class AttentionHistory(HistoryEncoder):
    """Weighted mean of the event vectors, weights from a small network on event, candidate, difference and product.

    Source: Zhou et al., Deep Interest Network, KDD 2018. Differs from the paper: weights pass a softmax over the real
    events (the paper sums unnormalised ones), the unit uses ReLU (Dice there), and a learned vector stands in for an
    empty history.
    """

    Config = AttentionConfig

    def __init__(self, config: AttentionConfig, schema: InputSchema, embedding_dim: int) -> None:
        super().__init__(config, schema, embedding_dim)
        self.width = embedding_dim
        self.events = EventEmbedding(schema, embedding_dim)
        self.unit = nn.Sequential(mlp(4 * embedding_dim, config.hidden, dropout=0.0), nn.Linear(config.hidden[-1], 1))
        self.empty_D = nn.Parameter(torch.empty(embedding_dim).normal_(std=EMBEDDING_STD))

    def forward(self, history: History | None, table: nn.Embedding, candidate_BD: Tensor) -> Tensor:
        """Return the attended event, [B, D]."""
        assert history is not None
        event_BLD, mask_BL = history.of_rows(self.events(history, table)), history.of_rows(history.mask_BL)
        logit_BL = self.logits(event_BLD, candidate_BD).float()
        # A finite fill keeps rows without any event free of NaN, forward and backward.
        logit_BL = logit_BL.masked_fill(~mask_BL, torch.finfo(logit_BL.dtype).min)
        attended_BD = (torch.softmax(logit_BL, dim=1).unsqueeze(2) * event_BLD).sum(dim=1)
        return torch.where(mask_BL.any(dim=1, keepdim=True), attended_BD, self.empty_D)

    def logits(self, event_BLD: Tensor, candidate_BD: Tensor) -> Tensor:
        """Return what the unit says of every event, [B, L].

        Its first layer is linear in the event, the candidate, their difference and their product: the parts of the candidate are one
        product for all events, and those of the event one that is half as wide.
        """
        hidden, weigh = cast(nn.Sequential, self.unit[0]), self.unit[1]
        first = cast(nn.Linear, hidden[0])
        event_HD, candidate_HD, difference_HD, product_HD = first.weight.chunk(4, dim=1)
        pair_BLX = torch.cat([event_BLD, event_BLD * candidate_BD.unsqueeze(1)], dim=2)
        of_pair_BLH = functional.linear(pair_BLX, torch.cat([event_HD + difference_HD, product_HD], dim=1))
        of_candidate_BH = functional.linear(candidate_BD, candidate_HD - difference_HD, first.bias)
        logit_BL1: Tensor = weigh(hidden[1:](of_pair_BLH + of_candidate_BH.unsqueeze(1)))
        return logit_BL1.squeeze(2)
