"""GRU4Rec: the inner product of an item with the state of a recurrent network.

Shape legend: B users, L steps, D width.
"""

from typing import Literal

import torch
from torch import Tensor, nn

from models.sequence.base import Encoded, SequenceModel, SequenceModelConfig


class Gru4RecConfig(SequenceModelConfig):
    """Nothing beyond what all have."""

    kind: Literal["gru4rec"] = "gru4rec"


class Gru4Rec(SequenceModel):
    """One GRU layer over the positives.

    Source: Hidasi et al., Session-based Recommendations with Recurrent Neural Networks, ICLR 2016. Differs from the
    paper: one random negative per step instead of the others of the batch, and the loss of section 9.
    """

    Config = Gru4RecConfig

    def __init__(self, config: Gru4RecConfig, num_items: int, max_length: int) -> None:
        super().__init__(config, num_items, max_length)
        self.dropout = nn.Dropout(config.dropout)
        self.gru = nn.GRU(config.embedding_dim, config.embedding_dim, batch_first=True)
        self.initialise()

    def encode(self, item_BL: Tensor) -> Encoded:
        """Return the states, [B, L, D]."""
        mask_BL = item_BL != 0
        padding_B1 = (~mask_BL).sum(dim=1, keepdim=True)
        step_L = torch.arange(item_BL.shape[1], device=item_BL.device)
        # The network has to start at the first item: it must not have read the padding before it.
        first_BL = (step_L + padding_B1) % item_BL.shape[1]
        state_BLD, _ = self.gru(self.dropout(self.items(item_BL.gather(1, first_BL))))
        back_BL1 = ((step_L - padding_B1) % item_BL.shape[1]).unsqueeze(2)
        return Encoded(self.dropout(state_BLD.gather(1, back_BL1.expand_as(state_BLD))), mask_BL)
