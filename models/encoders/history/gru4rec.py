"""GRU4Rec: the state of a recurrent network after the newest event.

Shape legend: B rows, L events, D width.
"""

from typing import Literal

import torch
from torch import Tensor, nn

from models.encoders.history.in_order import InOrderConfig, InOrderHistory
from models.schema import InputSchema


class RecurrentEncoder(nn.Module):
    """One GRU layer over left-padded sequences, with dropout before and after.

    Source: Hidasi et al., Session-based Recommendations with Recurrent Neural Networks, ICLR 2016.
    """

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.gru = nn.GRU(width, width, batch_first=True)

    def forward(self, event_BLD: Tensor, mask_BL: Tensor) -> Tensor:
        """Return the states, [B, L, D]; those of padding are meaningless."""
        length = mask_BL.shape[1]
        padding_B1 = (~mask_BL).sum(dim=1, keepdim=True)
        step_L = torch.arange(length, device=mask_BL.device)
        # The network has to start at the first event: it must not have read the padding before it.
        first_BL1 = ((step_L + padding_B1) % length).unsqueeze(2)
        state_BLD, _ = self.gru(self.dropout(event_BLD.gather(1, first_BL1.expand_as(event_BLD))))
        back_BL1 = ((step_L - padding_B1) % length).unsqueeze(2)
        states: Tensor = self.dropout(state_BLD.gather(1, back_BL1.expand_as(state_BLD)))
        return states


class Gru4RecHistoryConfig(InOrderConfig):
    """Nothing beyond what all have."""

    kind: Literal["gru4rec"] = "gru4rec"


class Gru4RecHistory(InOrderHistory):
    """The state after the newest event, as one more field of the ranker."""

    Config = Gru4RecHistoryConfig
    asks = False

    def __init__(self, config: Gru4RecHistoryConfig, schema: InputSchema, embedding_dim: int) -> None:
        super().__init__(config, schema, embedding_dim)
        self.encoder = RecurrentEncoder(embedding_dim, config.dropout)

    def summary(self, event_BLD: Tensor, mask_BL: Tensor, candidate_BD: Tensor) -> Tensor:
        """Return the state after the newest event, [B, D]; it does not depend on the candidate."""
        state_BLD: Tensor = self.encoder(event_BLD, mask_BL)
        return state_BLD[:, -1]
