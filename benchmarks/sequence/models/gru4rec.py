"""GRU4Rec: the inner product of an item with the state of a recurrent network.

Shape legend: B users, L steps, D width.
"""

from typing import Literal

from torch import Tensor

from benchmarks.sequence.models.base import Encoded, SequenceModel, SequenceModelConfig
from models.encoders.history.gru4rec import RecurrentEncoder


class Gru4RecConfig(SequenceModelConfig):
    """Nothing beyond what all have."""

    kind: Literal["gru4rec"] = "gru4rec"


class Gru4Rec(SequenceModel):
    """One GRU layer over the positives.

    Source: Hidasi et al., Session-based Recommendations with Recurrent Neural Networks, ICLR 2016. Differs from the
    paper: one random negative per step instead of the others of the batch, and the loss of
    docs/methods/sequences.md#sequence-loss.
    """

    Config = Gru4RecConfig

    def __init__(self, config: Gru4RecConfig, num_items: int, max_length: int) -> None:
        super().__init__(config, num_items, max_length)
        self.encoder = RecurrentEncoder(config.embedding_dim, config.dropout)
        self.initialise()

    def encode(self, item_BL: Tensor) -> Encoded:
        """Return the states, [B, L, D]."""
        mask_BL = item_BL != 0
        return Encoded(self.encoder(self.items(item_BL), mask_BL), mask_BL)
