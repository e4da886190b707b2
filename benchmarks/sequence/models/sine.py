"""SINE: sub-interests that are told apart by what was watched and what was skipped just before.

Shape legend: B users, L steps, D width, K sub-interests, N scored triples.
"""

from typing import Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from benchmarks.sequence.models.base import CausalConfig, Encoded, Places, SequenceBatch, SequenceModel
from models.encoders.history.causal import CausalEncoder
from models.encoders.history.sine import SubInterests, dependence, gated, shares


class SineConfig(CausalConfig, SubInterests):
    """Sub-interests, and the margin over skips; with the fusion `sum` it is that of the sub-interest with the largest."""

    kind: Literal["sine"] = "sine"
    skip_margin: bool = True
    intent_filter: float | None = Field(default=None, gt=0)
    """Factor of the attention of a step to items of the intent of its target, in training only; null: none."""


class Sine(SequenceModel):
    """SASRec's state h, gated K times: h_k = h + sigmoid(h * c_k) * h.

    Source: RecSys 2023, arXiv 2308.04086, docs/methods/sequences.md#sine. With the published fusion, a softmax over k
    of one linear map of [h_k; e], the share of the item e is the same for every k and cancels: the weights of
    sub-interests do not depend on the item. Differs from public code: see `docs/sequence.md`.
    """

    Config = SineConfig

    def __init__(self, config: SineConfig, num_items: int, max_length: int) -> None:
        super().__init__(config, num_items, max_length)
        self.encoder = CausalEncoder(config.embedding_dim, config, max_length)
        self.interest_KD = nn.Parameter(torch.empty(config.num_interests, config.embedding_dim))
        self.fusion = nn.Linear(2 * config.embedding_dim, 1) if config.fusion == "adaptive" else None
        self.initialise()

    def encode(self, item_BL: Tensor) -> Encoded:
        """Return the states before they are gated, [B, L, D]."""
        return self._encode(item_BL, None)

    def encode_training(self, batch: SequenceBatch) -> Encoded:
        """Return the states, filtered by the intents of the targets where the configuration asks for it."""
        value = self.config.intent_filter
        if value is None:
            return self.encode(batch.item_BL)
        return self._encode(batch.item_BL, torch.where(self.same_intent(batch), value, 1.0))

    def score(self, encoded: Encoded, places: Places, item_N: Tensor) -> Tensor:
        """Return the scores of items, [N]: per sub-interest an inner product, then the fusion."""
        interest_NKD = self._interests(encoded, places)
        item_NKD: Tensor = self.items(item_N).unsqueeze(1).expand_as(interest_NKD)
        score_NK = (interest_NKD * item_NKD).sum(dim=2)
        if self.fusion is None:
            return score_NK.sum(dim=1)
        return (shares(self.fusion, interest_NKD, item_NKD) * score_NK).sum(dim=1)

    def margin(self, encoded: Encoded, places: Places, positive_N: Tensor, skip_N: Tensor) -> Tensor:
        """Return by how much positives are ahead of skips, [N]."""
        if self.fusion is not None:
            return super().margin(encoded, places, positive_N, skip_N)
        difference_ND: Tensor = self.items(positive_N) - self.items(skip_N)
        return (self._interests(encoded, places) * difference_ND.unsqueeze(1)).sum(dim=2).amax(dim=1)

    def penalty(self) -> Tensor:
        """Return the penalty of the items and the distance correlations of all pairs of sub-interests."""
        penalty: Tensor = super().penalty() + self.config.dcor_weight * dependence(self.interest_KD)
        return penalty

    @torch.no_grad()
    def same_intent(self, batch: SequenceBatch) -> Tensor:
        """Return which items (second axis) have the intent of a step's target (first axis), bool [B, L, L].

        The intent of a target is the sub-interest that prefers it most to the skip before it. An item has the intent it
        had as a target; the first item of a sequence, that of the sub-interest closest to it.
        """
        target_BL = self._closest(self.items(batch.positive_BL) - self.items(batch.skip_BL))
        before_BL = torch.cat([torch.zeros_like(batch.item_BL[:, :1]), batch.item_BL[:, :-1]], dim=1)
        first_BL = self._closest(self.items(batch.item_BL))
        item_BL = torch.where(before_BL == 0, first_BL, target_BL.roll(1, dims=1))
        return target_BL.unsqueeze(2) == item_BL.unsqueeze(1)

    def _encode(self, item_BL: Tensor, scale_BLL: Tensor | None) -> Encoded:
        mask_BL = item_BL != 0
        return Encoded(self.encoder(self.items(item_BL), mask_BL, scale_BLL), mask_BL)

    def _interests(self, encoded: Encoded, places: Places) -> Tensor:
        """Return the gated states, [N, K, D]."""
        return gated(encoded.vector_BLD[places.row_N, places.step_N], self.interest_KD)

    def _closest(self, vector_BLD: Tensor) -> Tensor:
        return (vector_BLD @ self.interest_KD.T).argmax(dim=2)
