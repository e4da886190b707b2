"""The causal Transformer of SASRec and SINE (docs/methods/sequences.md#causal-transformer).

Shape legend: B users, L steps, D width, H heads, W width of a head.
"""

import torch
from pydantic import BaseModel
from torch import Tensor, nn

from models.ranges import Copies, Dropout

_EPS = 1e-8


class CausalSize(BaseModel):
    """Size of the Transformer."""

    dropout: Dropout = 0.1
    num_blocks: Copies = 2
    """Layers of attention."""
    num_heads: Copies = 1
    """Heads of each layer."""


class CausalEncoder(nn.Module):
    """States of steps from the items up to them.

    Args:
        width: of the items and the states.
        size: blocks, heads and dropout.
        max_length: the longest sequence.

    Source: Kang and McAuley, Self-Attentive Sequential Recommendation, ICDM 2018;
    docs/methods/sequences.md#causal-transformer. Differs from public code: no step attends to padding, and positions
    count back from the last step, so that neither the width of a batch nor its padding moves a state. On sequences
    padded to the full length the positions are the same.

    Raises:
        ValueError: if the heads do not divide the width.
    """

    def __init__(self, width: int, size: CausalSize, max_length: int) -> None:
        super().__init__()
        self.max_length = max_length
        self.positions = nn.Embedding(max_length, width)
        self.dropout = nn.Dropout(size.dropout)
        self.blocks = nn.ModuleList(CausalBlock(width, size.num_heads, size.dropout) for _ in range(size.num_blocks))
        self.norm = nn.LayerNorm(width, eps=_EPS)

    def forward(self, event_BLD: Tensor, mask_BL: Tensor, scale_BLL: Tensor | None = None) -> Tensor:
        """Return the states, [B, L, D]; those of padding are meaningless.

        Args:
            event_BLD: embeddings of the items.
            mask_BL: where an item stands.
            scale_BLL: factors of the attention of a step (first axis) to an item (second); None for 1.

        Raises:
            ValueError: if a sequence is longer than `max_length`.
        """
        length, width = event_BLD.shape[1:]
        if length > self.max_length:
            raise ValueError(f"a sequence has {length} steps, the longest allowed is {self.max_length}")
        stands_BL1 = mask_BL.unsqueeze(2)
        state_BLD = event_BLD * width**0.5 + self.positions.weight[self.max_length - length :]
        state_BLD = self.dropout(state_BLD) * stands_BL1
        earlier_LL = torch.ones(length, length, dtype=torch.bool, device=mask_BL.device).tril()
        allowed_BLL = earlier_LL & mask_BL.unsqueeze(1)
        for block in self.blocks:
            state_BLD = block(state_BLD, allowed_BLL, scale_BLL) * stands_BL1
        states: Tensor = self.norm(state_BLD)
        return states


class CausalBlock(nn.Module):
    """Attention from the normalised states to the plain ones, then a network per step, both with a residual."""

    def __init__(self, width: int, num_heads: int, dropout: float) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(width, eps=_EPS)
        self.attention = Attention(width, num_heads, dropout)
        self.network_norm = nn.LayerNorm(width, eps=_EPS)
        self.network = nn.Sequential(
            nn.Linear(width, width), nn.Dropout(dropout), nn.ReLU(), nn.Linear(width, width), nn.Dropout(dropout)
        )

    def forward(self, state_BLD: Tensor, allowed_BLL: Tensor, scale_BLL: Tensor | None) -> Tensor:
        """Return the next states, [B, L, D]."""
        query_BLD = self.attention_norm(state_BLD)
        state_BLD = self.network_norm(query_BLD + self.attention(query_BLD, state_BLD, allowed_BLL, scale_BLL))
        output_BLD: Tensor = state_BLD + self.network(state_BLD)
        return output_BLD


class Attention(nn.Module):
    """Scaled dot-product attention whose probabilities can be multiplied, without renormalising them."""

    def __init__(self, width: int, num_heads: int, dropout: float) -> None:
        super().__init__()
        if width % num_heads:
            raise ValueError(f"embedding_dim is {width}, which {num_heads} heads do not divide")
        self.num_heads = num_heads
        self.query, self.key, self.value, self.output = (nn.Linear(width, width, bias=False) for _ in range(4))
        self.dropout = nn.Dropout(dropout)

    def forward(self, query_BLD: Tensor, state_BLD: Tensor, allowed_BLL: Tensor, scale_BLL: Tensor | None) -> Tensor:
        """Return what each step takes from the others, [B, L, D]."""
        query_BHLW, key_BHLW, value_BHLW = (
            project(source).unflatten(2, (self.num_heads, -1)).transpose(1, 2)
            for project, source in ((self.query, query_BLD), (self.key, state_BLD), (self.value, state_BLD))
        )
        logit_BHLL = query_BHLW @ key_BHLW.transpose(2, 3) / query_BHLW.shape[3] ** 0.5
        # A finite fill keeps steps of padding, which may attend to nothing, free of NaN.
        logit_BHLL = logit_BHLL.masked_fill(~allowed_BLL.unsqueeze(1), torch.finfo(logit_BHLL.dtype).min)
        share_BHLL = torch.softmax(logit_BHLL, dim=3)
        if scale_BLL is not None:
            share_BHLL = share_BHLL * scale_BLL.unsqueeze(1)
        taken_BLD = (self.dropout(share_BHLL) @ value_BHLW).transpose(1, 2).flatten(2)
        attended_BLD: Tensor = self.dropout(self.output(taken_BLD))
        return attended_BLD
