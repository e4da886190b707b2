"""Past events that share something with the candidate, counted by what the user did.

Shape legend: B rows, L events, K history fields, C feedback codes, D embedding width.
"""

import torch
from pydantic import BaseModel, ConfigDict
from torch import Tensor, nn
from torch.nn import functional

from models.batch import History
from models.schema import InputSchema

SKIP = 1
"""Feedback code of a skip."""


class MatchesConfig(BaseModel):
    """Which events are counted, and whether by feedback."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    feedback: bool = True
    """One count per kind of feedback; false: one count of all events."""
    skips: bool = True
    """Count events that were skipped; false: as if there had been none."""


class MatchCounts(nn.Module):
    """log(1 + number of events that share the candidate's author, topic, ...), per history field and kind of feedback.

    What a user did to things like the candidate, told outright: sums of embeddings hold it too, but teach it only to
    many rows. Source: hard search by category, SIM (Pi et al., CIKM 2020); counts by feedback in place of embeddings are
    ours. An unknown value shares nothing with another.

    Raises:
        ValueError: if the schema has no history field.
    """

    offset_K: Tensor

    def __init__(self, config: MatchesConfig, schema: InputSchema, embedding_dim: int) -> None:
        super().__init__()
        if not schema.history_fields:
            raise ValueError("the recipe's encoder counts matches in a history, but the schema has no history_fields")
        self.config = config
        self.names = schema.history_fields
        self.num_codes = schema.num_feedback_codes if config.feedback else 1
        offsets = [schema.offsets[column] for column in schema.history_columns]
        self.register_buffer("offset_K", torch.tensor(offsets), persistent=False)
        self.project = nn.Linear(len(self.names) * self.num_codes, embedding_dim)

    def forward(self, history: History, candidate_BK: Tensor) -> Tensor:
        """Return the counts as a vector that stands beside the embedded fields, [B, D].

        Args:
            history: of every row's user.
            candidate_BK: packed rows of the candidate's history fields, int64.
        """
        count_BKC = self.counts(history, candidate_BK)
        vector_BD: Tensor = self.project(torch.log1p(count_BKC).flatten(start_dim=1))
        return vector_BD

    def counts(self, history: History, candidate_BK: Tensor) -> Tensor:
        """Return the numbers of matching events, float [B, K, C]; C is 1 where feedback is not told apart."""
        read_BL = history.mask_BL if self.config.skips else history.mask_BL & (history.feedback_BL != SKIP)
        event_BLK = torch.stack([history.fields[name] for name in self.names], dim=2)
        alike_BLK = (event_BLK == candidate_BK.unsqueeze(1)) & (candidate_BK != self.offset_K).unsqueeze(1)
        match_BLK = (alike_BLK & read_BL.unsqueeze(2)).float()
        if not self.config.feedback:
            return match_BLK.sum(dim=1).unsqueeze(2)
        code_BLC = functional.one_hot(history.feedback_BL, self.num_codes).float()
        return match_BLK.transpose(1, 2) @ code_BLC
