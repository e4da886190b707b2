"""The one interface of every history encoder, and the embedding of events that they share.

Shape legend: B rows, L events, D embedding width.
"""

from abc import ABC, abstractmethod
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from models.batch import History
from models.component import ComponentConfig
from models.encoders.table import code_sums, summed
from models.schema import InputSchema

EMBEDDING_STD = 0.02


class HistoryEncoder(nn.Module, ABC):
    """Sums up the last events of a row's user in one vector.

    `width` is D, or 0 for an encoder that reads nothing.
    """

    Config: ClassVar[type[ComponentConfig]]
    width: int

    @abstractmethod
    def __init__(self, config: Any, schema: InputSchema, embedding_dim: int) -> None:
        super().__init__()

    @abstractmethod
    def forward(self, history: History | None, table: nn.Embedding, candidate_BD: Tensor) -> Tensor:
        """Return the summary, [B, width].

        Args:
            history: None only when `width` is 0. Its sequences may be fewer than the rows (`History.sequence_B`).
            table: the packed table, so that an event's video and the candidate's share one row.
            candidate_BD: sum of the candidate's embeddings over the history fields.
        """

    def penalty(self) -> Tensor | None:
        """Return what the loss adds for the parameters, scalar; None: nothing."""
        return None


class EventEmbedding(nn.Module):
    """One vector per event: the sum of its item fields, feedback type, watch-ratio bucket and time-gap bucket.

    Source: docs/methods/sequences.md#feedback-aware-history (our reading of arXiv 2308.13249). The event's scene is one
    of the item fields.

    Raises:
        ValueError: if the schema has no history field.
    """

    def __init__(self, schema: InputSchema, embedding_dim: int) -> None:
        super().__init__()
        if not schema.history_fields:
            raise ValueError("the recipe's encoder reads a history, but the input schema has no history_fields")
        self.names = schema.history_fields
        self.feedback = nn.Embedding(schema.num_feedback_codes, embedding_dim)
        self.ratio = nn.Embedding(schema.num_ratio_codes, embedding_dim)
        self.gap = nn.Embedding(schema.num_gap_codes, embedding_dim)
        for codes in (self.feedback, self.ratio, self.gap):
            nn.init.normal_(codes.weight, std=EMBEDDING_STD)

    def forward(self, history: History, table: nn.Embedding) -> Tensor:
        """Return the event vectors, [B, L, D]; those of padding are meaningless and must be masked."""
        item_BLD = summed(table, torch.stack([history.fields[name] for name in self.names], dim=2))
        return item_BLD + self._context(history)

    def _context(self, history: History) -> Tensor:
        """Return the sum of an event's own codes, [B, L, D]."""
        parts = (self.feedback, history.feedback_BL), (self.ratio, history.ratio_BL), (self.gap, history.gap_BL)
        first_3 = [0, self.feedback.num_embeddings, self.feedback.num_embeddings + self.ratio.num_embeddings]
        ids_BL3 = torch.stack([codes_BL + first for (_, codes_BL), first in zip(parts, first_3, strict=True)], dim=2)
        return code_sums(torch.cat([table.weight for table, _ in parts]), ids_BL3)
