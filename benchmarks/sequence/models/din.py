"""DIN: the positives count by how much they say about the item that is scored.

Shape legend: B users, L steps, D width, H width of the unit, N scored triples.
"""

from typing import Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from benchmarks.sequence.models.base import Encoded, Places, SequenceModel, SequenceModelConfig
from models.encoders.history.din import ActivationUnit
from models.mlp import mlp


class DinConfig(SequenceModelConfig):
    """Sizes of the two networks."""

    kind: Literal["din"] = "din"
    dropout: float = Field(default=0.2, ge=0, lt=1)
    """In the output network; the default of docs/methods/watch_time.md#shared-encoder."""
    attention_hidden: int = Field(default=32, gt=0)
    """Width of the unit that weighs an event against the item."""
    hidden: tuple[int, ...] = Field(default=(64, 32), min_length=1)
    """Widths of the network on attended events, item and their product."""


class Din(SequenceModel):
    """Target attention over all positives up to the step.

    Source: Zhou et al., Deep Interest Network, KDD 2018; `models.encoders.history.din` says what differs.
    """

    Config = DinConfig

    def __init__(self, config: DinConfig, num_items: int, max_length: int) -> None:
        super().__init__(config, num_items, max_length)
        width = config.embedding_dim
        self.unit = ActivationUnit(width, config.attention_hidden)
        self.output = nn.Sequential(mlp(3 * width, config.hidden, config.dropout), nn.Linear(config.hidden[-1], 1))
        self.initialise()

    def encode(self, item_BL: Tensor) -> Encoded:
        """Return the events, [B, L, D]."""
        return Encoded(self.items(item_BL), item_BL != 0)

    def score(self, encoded: Encoded, places: Places, item_N: Tensor) -> Tensor:
        """Return the scores of items, [N]."""
        item_ND = self.items(item_N)
        event_NLD = encoded.vector_BLD[places.row_N]
        step_L = torch.arange(event_NLD.shape[1], device=item_N.device)
        known_NL = encoded.mask_BL[places.row_N] & (step_L <= places.step_N.unsqueeze(1))
        hidden_NLH = self.unit.event(encoded.vector_BLD)[places.row_N]
        attended_ND = self.unit(event_NLD, hidden_NLH, item_ND, known_NL)
        score_N1: Tensor = self.output(torch.cat([attended_ND, item_ND, attended_ND * item_ND], dim=1))
        return score_N1.squeeze(1)
