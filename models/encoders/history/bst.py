"""BST: a Transformer over the events and the candidate, which is the last token of the sequence.

Shape legend: B rows, L events, S = L + 1 tokens, Q tokens that ask, D embedding width, H width of a token.
"""

from typing import Literal

import torch
from torch import Tensor, nn

from models.attention_size import AttentionSize
from models.encoders.history.base import EMBEDDING_STD
from models.encoders.history.causal import Attention
from models.encoders.history.in_order import InOrderConfig, InOrderHistory, small_projection
from models.ranges import Copies
from models.schema import InputSchema


class BstHistoryConfig(InOrderConfig, AttentionSize):
    """Size of the Transformer, and what is read from it."""

    kind: Literal["bst"] = "bst"
    num_blocks: Copies = 1
    """Layers of attention."""
    pool: Literal["candidate", "mean"] = "candidate"
    """The candidate's token, or the mean of all tokens, the candidate's among them."""


class BstHistory(InOrderHistory):
    """a = LN(x + MHA(x)), out = LN(a + FFN(a)) over the events and the candidate; every token sees all that stand.

    Source: Chen et al., Behavior Sequence Transformer, DLP-KDD 2019; docs/methods/sequences.md#bst. The candidate has a
    type vector of its own; a token's place is counted back from the candidate, where the paper has time gaps (an event
    vector holds its gap here).
    """

    Config = BstHistoryConfig
    asks = True

    def __init__(self, config: BstHistoryConfig, schema: InputSchema, embedding_dim: int) -> None:
        super().__init__(config, schema, embedding_dim)
        self.candidate_only = config.pool == "candidate"
        self.enter = nn.Linear(embedding_dim, config.width, bias=False)
        self.candidate_H = nn.Parameter(torch.empty(config.width).normal_(std=EMBEDDING_STD))
        self.places = nn.Embedding(self.length + 1, config.width)
        nn.init.normal_(self.places.weight, std=EMBEDDING_STD)
        self.dropout = nn.Dropout(config.dropout)
        self.blocks = nn.ModuleList(
            _Block(config.width, config.num_heads, config.dropout) for _ in range(config.num_blocks)
        )
        self.leave = small_projection(config.width, embedding_dim)

    def summary(self, event_BLD: Tensor, mask_BL: Tensor, candidate_BD: Tensor) -> Tensor:
        """Return the candidate's last token, or the mean of all, [B, D]."""
        candidate_B1H = (self.enter(candidate_BD) + self.candidate_H).unsqueeze(1)
        token_BSH = torch.cat([self.enter(event_BLD), candidate_B1H], dim=1)
        num_tokens = token_BSH.shape[1]
        token_BSH = self.dropout(token_BSH + self.places.weight[self.length + 1 - num_tokens :])
        stands_BS = torch.cat([mask_BL, torch.ones_like(mask_BL[:, :1])], dim=1)
        # Padding sees itself too, or it would have nothing to take; no other token sees it.
        allowed_BSS = stands_BS.unsqueeze(1) | torch.eye(num_tokens, dtype=torch.bool, device=mask_BL.device)
        *early, last = self.blocks
        for block in early:
            token_BSH = block(token_BSH, token_BSH, allowed_BSS)
        if self.candidate_only:
            pooled_BH = last(token_BSH[:, -1:], token_BSH, allowed_BSS[:, -1:]).squeeze(1)
        else:
            stands_BS1 = stands_BS.unsqueeze(2)
            pooled_BH = (last(token_BSH, token_BSH, allowed_BSS) * stands_BS1).sum(dim=1) / stands_BS1.sum(dim=1)
        summary_BD: Tensor = self.leave(pooled_BH)
        return summary_BD


class _Block(nn.Module):
    """Attention and a network of one hidden layer, each added to its input and normalised."""

    def __init__(self, width: int, num_heads: int, dropout: float) -> None:
        super().__init__()
        self.attention = Attention(width, num_heads, dropout)
        self.network = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, width), nn.Dropout(dropout))
        self.attention_norm, self.network_norm = nn.LayerNorm(width), nn.LayerNorm(width)

    def forward(self, asking_BQH: Tensor, token_BSH: Tensor, allowed_BQS: Tensor) -> Tensor:
        """Return the next tokens of those that ask, [B, Q, H]."""
        attended_BQH = self.attention_norm(asking_BQH + self.attention(asking_BQH, token_BSH, allowed_BQS, None))
        output_BQH: Tensor = self.network_norm(attended_BQH + self.network(attended_BQH))
        return output_BQH
