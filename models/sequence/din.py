"""DIN: the positives count by how much they say about the item that is scored.

Shape legend: B users, L steps, D width, H width of the unit, N scored triples.
"""

from typing import Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from models.mlp import mlp
from models.sequence.base import Encoded, Places, SequenceModel, SequenceModelConfig


class DinConfig(SequenceModelConfig):
    """Sizes of the two networks."""

    kind: Literal["din"] = "din"
    dropout: float = Field(default=0.2, ge=0, lt=1)
    """In the output network; the default of `watch_time.md` section 3."""
    attention_hidden: int = Field(default=32, gt=0)
    """Width of the unit that weighs an event against the item."""
    hidden: tuple[int, ...] = Field(default=(64, 32), min_length=1)
    """Widths of the network on attended events, item and their product."""


class Din(SequenceModel):
    """Target attention over all positives up to the step.

    Source: Zhou et al., Deep Interest Network, KDD 2018. Differs from the paper as `models.encoders.history.attention`
    does: the weights pass a softmax and the unit uses ReLU. The unit reads event, item and their product; a difference
    of the two would add nothing, because the first layer is linear.
    """

    Config = DinConfig

    def __init__(self, config: DinConfig, num_items: int, max_length: int) -> None:
        super().__init__(config, num_items, max_length)
        width = config.embedding_dim
        self.event, self.target, self.product = (
            nn.Linear(width, config.attention_hidden, bias=bias) for bias in (True, False, False)
        )
        self.weigh = nn.Linear(config.attention_hidden, 1)
        self.output = nn.Sequential(mlp(3 * width, config.hidden, config.dropout), nn.Linear(config.hidden[-1], 1))
        self.initialise()

    def encode(self, item_BL: Tensor) -> Encoded:
        """Return the events, [B, L, D]."""
        return Encoded(self.items(item_BL), item_BL != 0)

    def score(self, encoded: Encoded, places: Places, item_N: Tensor) -> Tensor:
        """Return the scores of items, [N]."""
        item_ND = self.items(item_N)
        event_NLD = encoded.vector_BLD[places.row_N]
        hidden_NLH = (
            self.event(encoded.vector_BLD)[places.row_N]
            + self.target(item_ND).unsqueeze(1)
            + self.product(event_NLD * item_ND.unsqueeze(1))
        )
        logit_NL = self.weigh(torch.relu(hidden_NLH)).squeeze(2)
        step_L = torch.arange(event_NLD.shape[1], device=item_N.device)
        known_NL = encoded.mask_BL[places.row_N] & (step_L <= places.step_N.unsqueeze(1))
        share_NL = torch.softmax(logit_NL.masked_fill(~known_NL, torch.finfo(logit_NL.dtype).min), dim=1)
        attended_ND = (share_NL.unsqueeze(2) * event_NLD).sum(dim=1)
        score_N1: Tensor = self.output(torch.cat([attended_ND, item_ND, attended_ND * item_ND], dim=1))
        return score_N1.squeeze(1)
