"""Feedback-aware encoding: the mixed sequence of skips and plays, read in its context, then asked about a candidate.

Shape legend: B rows, L events, N events of all rows that are read, K item fields, D embedding width, H width inside.
"""

from typing import Literal

import torch
from pydantic import BaseModel, ConfigDict, model_validator
from torch import Tensor, nn

from models.batch import History
from models.component import ComponentConfig
from models.encoders.history.base import EMBEDDING_STD, HistoryEncoder
from models.encoders.history.event_transformer import EventTransformer, TargetAttention
from models.encoders.history.matches import SKIP
from models.encoders.history.ragged import Standing
from models.ranges import Copies, Dropout, Width
from models.schema import InputSchema

SCENE = "scene"
"""History field that tells where an event happened rather than what was shown."""


class ReadsConfig(BaseModel):
    """What of the history is read: all of it, or less for an ablation."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    feedback: bool = True
    """What the user did: feedback type and watch-ratio bucket. The bucket goes too, because it gives the type away."""
    context: bool = True
    """How it happened: watch-ratio bucket, time gap and scene."""
    skips: bool = True
    """Events that were skipped. Without them the sequence is as if it had never held one."""


class FeedbackAwareConfig(ComponentConfig):
    """Size of the Transformer, and what it reads; `features.history_length` sets how many events: 50 is usual."""

    kind: Literal["feedback_aware"] = "feedback_aware"
    width: Width = 64
    """Width inside; the summary has the encoder's embedding width."""
    layers: Copies = 2
    """Layers of the Transformer."""
    heads: Copies = 2
    """Heads of every attention; they divide the width."""
    dropout: Dropout = 0.1
    """Of what a layer adds."""
    reads: ReadsConfig = ReadsConfig()
    """What of the history is read."""

    @model_validator(mode="after")
    def _heads_divide_the_width(self) -> "FeedbackAwareConfig":
        if self.width % self.heads:
            raise ValueError(f"width is {self.width}, which {self.heads} heads do not divide")
        return self


class FeedbackAwareHistory(HistoryEncoder):
    """Event vectors -> causal Transformer -> target attention of the candidate; a learned vector for an empty history.

    Source: docs/methods/sequences.md#feedback-aware-history, our reading of the abstract of arXiv 2308.13249 (CIKM
    2023). An event is the sum of its item fields, feedback type, watch-ratio bucket and time-gap bucket, projected to
    the width inside, plus a learned place counted back from the newest event that is read. The candidate is the sum of
    its item fields under the same projection. Layer sizes, the normalisation of both, and the equal start of the
    attention's projections are ours. The summary starts as small as the embeddings beside it, lest a trunk learns from
    untrained states first.

    The number of events kept per user counts skips also where they are not read: a user with a full history of many
    skips leaves a shorter sequence.

    Raises:
        ValueError: if the schema has no history field.
    """

    Config = FeedbackAwareConfig

    def __init__(self, config: FeedbackAwareConfig, schema: InputSchema, embedding_dim: int) -> None:
        super().__init__(config, schema, embedding_dim)
        self.width = embedding_dim
        self.reads = config.reads
        self.events = _EventVectors(config.reads, schema, embedding_dim)
        self.enter = nn.Linear(embedding_dim, config.width, bias=False)
        self.places = nn.Embedding(schema.history_length, config.width)
        nn.init.normal_(self.places.weight, std=EMBEDDING_STD)
        self.event_norm, self.candidate_norm = nn.LayerNorm(config.width), nn.LayerNorm(config.width)
        self.transformer = EventTransformer(config.width, config.layers, config.heads, config.dropout)
        self.target = TargetAttention(config.width, config.heads)
        self.leave = nn.Linear(config.width, embedding_dim)
        nn.init.normal_(self.leave.weight, std=EMBEDDING_STD)
        nn.init.zeros_(self.leave.bias)
        self.empty_D = nn.Parameter(torch.empty(embedding_dim).normal_(std=EMBEDDING_STD))

    def forward(self, history: History | None, table: nn.Embedding, candidate_BD: Tensor) -> Tensor:
        """Return what the candidate takes from the history, [B, D]."""
        assert history is not None
        mask_BL = self.mask(history)
        standing = Standing.of(mask_BL)
        state_NH = self.states(history, table, standing)
        if history.sequence_B is not None:
            mask_BL, of_sequences = history.of_rows(mask_BL), standing
            standing = Standing.of(mask_BL)
            state_NH = of_sequences.repeated(state_NH, history.sequence_B, standing, mask_BL.shape[1])
        candidate_BH = self.candidate_norm(self.enter(candidate_BD))
        summary_BD = self.leave(self.target(candidate_BH, state_NH, standing))
        return torch.where(mask_BL.any(dim=1, keepdim=True), summary_BD, self.empty_D)

    def mask(self, history: History) -> Tensor:
        """Return which events are read, bool [B, L]."""
        return history.mask_BL if self.reads.skips else history.mask_BL & (history.feedback_BL != SKIP)

    def states(self, history: History, table: nn.Embedding, standing: Standing) -> Tensor:
        """Return the state of every event that is read, [N, H]; it depends on no later event."""
        place_N = standing.following_N.clamp(max=self.places.num_embeddings - 1)
        token_NH = self.enter(self.events(history, table, standing)) + self.places(place_N)
        state_NH: Tensor = self.transformer(self.event_norm(token_NH), standing)
        return state_NH


class _EventVectors(nn.Module):
    """The sum of the embeddings of what is read of an event."""

    def __init__(self, reads: ReadsConfig, schema: InputSchema, embedding_dim: int) -> None:
        super().__init__()
        if not schema.history_fields:
            raise ValueError("the recipe's encoder reads a history, but the input schema has no history_fields")
        self.names = tuple(name for name in schema.history_fields if reads.context or name != SCENE)
        self.feedback = self._codes(schema.num_feedback_codes, embedding_dim, reads.feedback)
        self.ratio = self._codes(schema.num_ratio_codes, embedding_dim, reads.feedback and reads.context)
        self.gap = self._codes(schema.num_gap_codes, embedding_dim, reads.context)

    def forward(self, history: History, table: nn.Embedding, standing: Standing) -> Tensor:
        """Return the event vectors, [N, D]."""
        item_NK = torch.stack([standing.take(history.fields[name]) for name in self.names], dim=1)
        vector_ND: Tensor = table(item_NK).sum(dim=1)
        codes = ((self.feedback, history.feedback_BL), (self.ratio, history.ratio_BL), (self.gap, history.gap_BL))
        for embedding, code_BL in codes:
            if embedding is not None:
                vector_ND = vector_ND + embedding(standing.take(code_BL))
        return vector_ND

    @staticmethod
    def _codes(number: int, embedding_dim: int, read: bool) -> nn.Embedding | None:
        if not read:
            return None
        embedding = nn.Embedding(number, embedding_dim)
        nn.init.normal_(embedding.weight, std=EMBEDDING_STD)
        return embedding
