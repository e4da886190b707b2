"""Biases, features and user-item feature crosses, with or without embeddings on top.

Shape legend: B pairs, F user features, G item features, K width of an embedding, E width of the encoding.
"""

from typing import Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from benchmarks.pairs.models.additive import Additive, AdditiveConfig
from benchmarks.pairs.models.base import PairInputs, Scorer, zeros
from benchmarks.pairs.models.mf import Mf, MfConfig
from models.component import ComponentConfig


class CrossesConfig(ComponentConfig):
    """How much the crosses count and how wide the embeddings are."""

    kind: Literal["crosses"] = "crosses"
    cross_scale: float = Field(default=0.1, gt=0)
    """Factor of the products of features; a smaller one is a stronger penalty on their weights."""
    taste_scale: float = Field(default=0.0, ge=0)
    """Factor of item features in a user's own taste for them; 0 leaves it out."""
    audience_scale: float = Field(default=0.0, ge=0)
    """Factor of user features in an item's own appeal to them; 0 leaves it out."""
    embedding_dim: int = Field(default=0, ge=0)
    """Width of the user and item embeddings; 0 is a linear model."""


class Crosses(Scorer):
    """offset + b_u + c_i + f_u . a + g_i . b + scale f_u' W g_i (+ s t_u . g_i + s' f_u . v_i + p_u . q_i).

    The linear model is the last floor of docs/methods/debias.md#floors-on-coat. The encoding is [f_u, g_i] beside that
    of the ids' own score.
    """

    Config = CrossesConfig
    user_UF: Tensor
    item_IG: Tensor

    def __init__(self, config: CrossesConfig, inputs: PairInputs) -> None:
        super().__init__(config, inputs)
        self.register_buffer("user_UF", inputs.user_UF)
        self.register_buffer("item_IG", inputs.item_IG)
        num_user, num_item = inputs.user_UF.shape[1], inputs.item_IG.shape[1]
        if not num_user + num_item:
            raise ValueError("scorer 'crosses' needs user or item features, and the data has none")
        self.ids: Scorer = Additive(AdditiveConfig(), inputs)
        if config.embedding_dim:
            self.ids = Mf(MfConfig(embedding_dim=config.embedding_dim), inputs)
        self.user_weight_F = nn.Parameter(torch.zeros(num_user))
        self.item_weight_G = nn.Parameter(torch.zeros(num_item))
        self.cross_FG = nn.Parameter(torch.zeros(num_user, num_item))
        self.config = config
        self.taste = zeros(inputs.num_users, num_item) if config.taste_scale else None
        self.audience = zeros(inputs.num_items, num_user) if config.audience_scale else None
        self.width = self.ids.width + num_user + num_item

    def forward(self, user_B: Tensor, item_B: Tensor) -> tuple[Tensor, Tensor]:
        """Return the logits, [B], and the encoding of the pairs, [B, E]."""
        user_BF, item_BG = self.user_UF[user_B], self.item_IG[item_B]
        logit_B, ids_BE = self.ids(user_B, item_B)
        logit_B = logit_B + user_BF @ self.user_weight_F + item_BG @ self.item_weight_G
        logit_B = logit_B + self.config.cross_scale * ((user_BF @ self.cross_FG) * item_BG).sum(dim=1)
        if self.taste is not None:
            logit_B = logit_B + self.config.taste_scale * (self.taste(user_B) * item_BG).sum(dim=1)
        if self.audience is not None:
            logit_B = logit_B + self.config.audience_scale * (self.audience(item_B) * user_BF).sum(dim=1)
        return logit_B, torch.cat([user_BF, item_BG, ids_BE], dim=1)

    def undecayed_parameters(self) -> list[nn.Parameter]:
        """Return the offset."""
        return self.ids.undecayed_parameters()
