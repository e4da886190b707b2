"""DIN: events count by how much they say about the candidate.

Shape legend: N candidates, L events, D width, H width of the unit.
"""

from typing import Literal

import torch
from torch import Tensor, nn

from models.encoders.history.in_order import InOrderConfig, InOrderHistory
from models.ranges import Dropout, Width
from models.schema import InputSchema


class ActivationUnit(nn.Module):
    """Weighs events against a candidate: a softmax of one hidden layer on event, candidate and their product.

    Source: Zhou et al., Deep Interest Network, KDD 2018. Differs from the paper as `models.encoders.history.attention`
    does: the weights pass a softmax and the unit uses ReLU. A difference of event and candidate would add nothing,
    because the first layer is linear.
    """

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.event, self.target, self.product = (nn.Linear(width, hidden, bias=bias) for bias in (True, False, False))
        self.weigh = nn.Linear(hidden, 1)

    def forward(self, event_NLD: Tensor, hidden_NLH: Tensor, target_ND: Tensor, mask_NL: Tensor) -> Tensor:
        """Return the weighted mean of the events, [N, D].

        Args:
            event_NLD: the events of each candidate's user.
            hidden_NLH: `self.event` of them, which candidates of one user share.
            target_ND: the candidates.
            mask_NL: which events are known.
        """
        # One expression: gradients are summed in the order of use, and recorded benchmark fits are held to the bit.
        hidden_NLH = hidden_NLH + self.target(target_ND).unsqueeze(1) + self.product(event_NLD * target_ND.unsqueeze(1))
        logit_NL = self.weigh(torch.relu(hidden_NLH)).squeeze(2)
        share_NL = torch.softmax(logit_NL.masked_fill(~mask_NL, torch.finfo(logit_NL.dtype).min), dim=1)
        attended_ND: Tensor = (share_NL.unsqueeze(2) * event_NLD).sum(dim=1)
        return attended_ND


class DinHistoryConfig(InOrderConfig):
    """Size of the activation unit."""

    kind: Literal["din"] = "din"
    dropout: Dropout = 0.0
    """Of the events; the published unit has none."""
    hidden: Width = 32
    """Width of the unit that weighs an event against the candidate."""


class DinHistory(InOrderHistory):
    """The attended events: the kind `attention` in the form that the sequence benchmark compares."""

    Config = DinHistoryConfig
    asks = True

    def __init__(self, config: DinHistoryConfig, schema: InputSchema, embedding_dim: int) -> None:
        super().__init__(config, schema, embedding_dim)
        self.dropout = nn.Dropout(config.dropout)
        self.unit = ActivationUnit(embedding_dim, config.hidden)

    def summary(self, event_BLD: Tensor, mask_BL: Tensor, candidate_BD: Tensor) -> Tensor:
        """Return what the candidate takes from the events, [B, D]."""
        event_BLD = self.dropout(event_BLD)
        summary_BD: Tensor = self.unit(event_BLD, self.unit.event(event_BLD), candidate_BD, mask_BL)
        return summary_BD
