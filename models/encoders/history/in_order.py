"""What the encoders that read a history as a sequence share: the events as vectors, side by side, newest last.

Shape legend: B rows, L events, D embedding width.
"""

from abc import abstractmethod
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from models.batch import History
from models.component import ComponentConfig
from models.encoders.history.base import EMBEDDING_STD, EventEmbedding, HistoryEncoder
from models.encoders.history.matches import SKIP
from models.ranges import Dropout
from models.schema import InputSchema


class InOrderConfig(ComponentConfig):
    """What of the history is read, and dropout."""

    dropout: Dropout = 0.1
    """Of what the sequence is made of; models that rank by themselves have .5."""
    skips: bool = True
    """Read skipped events too, told apart by their feedback type; the published methods know positives only."""


class InOrderHistory(HistoryEncoder):
    """A sequence model as an encoder: its state after the newest event is the summary.

    A state that no candidate moves (`asks` is False) is computed once for all rows that share a sequence.

    Source: docs/methods/sequences.md#sequence-encoders-of-a-ranker. The event vectors hold more than the published
    models' items: feedback type, watch-ratio bucket and time gap. The ranker's losses train it, not those of the
    sequence protocol, which stay beside the benchmark.

    Raises:
        ValueError: if the schema has no history field.
    """

    asks: ClassVar[bool]

    def __init__(self, config: Any, schema: InputSchema, embedding_dim: int) -> None:
        super().__init__(config, schema, embedding_dim)
        self.width = embedding_dim
        self.length = schema.history_length
        self.skips = config.skips
        self.events = EventEmbedding(schema, embedding_dim)
        self.empty_D = nn.Parameter(torch.empty(embedding_dim).normal_(std=EMBEDDING_STD))

    def forward(self, history: History | None, table: nn.Embedding, candidate_BD: Tensor) -> Tensor:
        """Return the summary, [B, D]; a learned vector where no event is read."""
        assert history is not None
        event_BLD, mask_BL = without_gaps(self.events(history, table), read(history, self.skips))
        event_BLD, mask_BL = event_BLD[:, -self.length :], mask_BL[:, -self.length :]
        if self.asks:
            event_BLD, mask_BL = history.of_rows(event_BLD), history.of_rows(mask_BL)
        summary_BD = self.summary(event_BLD, mask_BL, candidate_BD)
        summary_BD = torch.where(mask_BL.any(dim=1, keepdim=True), summary_BD, self.empty_D)
        return summary_BD if self.asks else history.of_rows(summary_BD)

    @abstractmethod
    def summary(self, event_BLD: Tensor, mask_BL: Tensor, candidate_BD: Tensor) -> Tensor:
        """Return the summary, [B, D]; that of a row without events must be finite, and is not read.

        Args:
            event_BLD: event vectors, the newest last and without gaps; 0 elsewhere.
            mask_BL: where they stand.
            candidate_BD: sum of the candidate's embeddings over the history fields; not of these rows where `asks` is False.
        """


def read(history: History, skips: bool) -> Tensor:
    """Return which events are read, bool [B, L]."""
    return history.mask_BL if skips else history.mask_BL & (history.feedback_BL != SKIP)


def without_gaps(event_BLD: Tensor, mask_BL: Tensor) -> tuple[Tensor, Tensor]:
    """Move the events that are read to the end of their rows, in order; return them with 0 elsewhere, and their mask.

    Vectors or codes, [B, L, D]: the type stays.
    """
    order_BL = mask_BL.long().argsort(dim=1, stable=True)
    mask_BL = mask_BL.gather(1, order_BL)
    event_BLD = event_BLD.gather(1, order_BL.unsqueeze(2).expand_as(event_BLD))
    return event_BLD * mask_BL.unsqueeze(2), mask_BL


def small_projection(width: int, out_width: int | None = None) -> nn.Linear:
    """Return a map of normalised states that starts as small as the embeddings beside the summary."""
    leave = nn.Linear(width, width if out_width is None else out_width)
    nn.init.normal_(leave.weight, std=EMBEDDING_STD)
    nn.init.zeros_(leave.bias)
    return leave
