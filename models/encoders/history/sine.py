"""SINE: the causal Transformer's state, gated by sub-interests that are kept apart.

Shape legend: B rows, L events, N states, D width, K sub-interests.
"""

from itertools import combinations
from typing import Literal

import torch
from pydantic import BaseModel, Field
from torch import Tensor, nn

from models.encoders.history.causal import CausalEncoder, CausalSize
from models.encoders.history.distance_correlation import distance_correlation
from models.encoders.history.in_order import InOrderConfig, InOrderHistory, small_projection
from models.ranges import WeightOrNone, Whole
from models.schema import InputSchema


class SubInterests(BaseModel):
    """Sub-interests, how they are joined, and what keeps them apart."""

    num_interests: Whole = Field(default=3, ge=2, le=64)
    """Sub-interests of a user."""
    fusion: Literal["adaptive", "sum"] = "adaptive"
    """`adaptive` weighs the sub-interests by a learned softmax; `sum` adds them up."""
    dcor_weight: WeightOrNone = 1.0
    """Weight of the distance correlations between the vectors of sub-interests."""


def gated(state_ND: Tensor, interest_KD: Tensor) -> Tensor:
    """Return the state as each sub-interest sees it, h_k = h + sigmoid(h * c_k) * h, [N, K, D]."""
    state_N1D = state_ND.unsqueeze(1)
    return state_N1D + torch.sigmoid(state_N1D * interest_KD) * state_N1D


def shares(fusion: nn.Module, interest_NKD: Tensor, item_NKD: Tensor) -> Tensor:
    """Return the weights of sub-interests, [N, K]: a softmax over k of a map of [h_k; e]."""
    return torch.softmax(fusion(torch.cat([interest_NKD, item_NKD], dim=2)).squeeze(2), dim=1)


def dependence(interest_KD: Tensor) -> Tensor:
    """Return the sum of the distance correlations of all pairs of sub-interests, scalar."""
    pairs = combinations(interest_KD, 2)
    return torch.stack([distance_correlation(first_D, second_D) for first_D, second_D in pairs]).sum()


class SineHistoryConfig(InOrderConfig, CausalSize, SubInterests):
    """The Transformer and the sub-interests."""

    kind: Literal["sine"] = "sine"


class SineHistory(InOrderHistory):
    """The fused sub-interests after the newest event, as one more field of the ranker; the penalty keeps them apart.

    Source: RecSys 2023, arXiv 2308.04086, docs/methods/sequences.md#sine. The fusion is a softmax
    over k of one linear map of [h_k; e]: the share of the candidate e is the same for every k and cancels, so that the
    summary does not depend on the candidate. Differs from public code, beside what `docs/sequence.md` says: the summary
    is a field instead of being multiplied with the item, and the margin over skips and the intent filter, which need the
    next positive as a target, are left to the sequence protocol.
    """

    Config = SineHistoryConfig
    asks = True

    def __init__(self, config: SineHistoryConfig, schema: InputSchema, embedding_dim: int) -> None:
        super().__init__(config, schema, embedding_dim)
        self.dcor_weight = config.dcor_weight
        self.encoder = CausalEncoder(embedding_dim, config, schema.history_length)
        self.interest_KD = nn.Parameter(torch.empty(config.num_interests, embedding_dim))
        nn.init.xavier_normal_(self.interest_KD)
        self.fusion = nn.Linear(2 * embedding_dim, 1) if config.fusion == "adaptive" else None
        self.leave = small_projection(embedding_dim)

    def summary(self, event_BLD: Tensor, mask_BL: Tensor, candidate_BD: Tensor) -> Tensor:
        """Return the sub-interests after the newest event, weighed or added up, [B, D]."""
        interest_BKD = gated(self.encoder(event_BLD, mask_BL)[:, -1], self.interest_KD)
        if self.fusion is not None:
            candidate_BKD = candidate_BD.unsqueeze(1).expand_as(interest_BKD)
            interest_BKD = shares(self.fusion, interest_BKD, candidate_BKD).unsqueeze(2) * interest_BKD
        summary_BD: Tensor = self.leave(interest_BKD.sum(dim=1))
        return summary_BD

    def penalty(self) -> Tensor:
        """Return the distance correlations of all pairs of sub-interests, weighted, scalar."""
        return self.dcor_weight * dependence(self.interest_KD)
