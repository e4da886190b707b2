"""A causal Transformer over the events that stand, and the attention of a candidate to its states.

Shape legend: B rows, R rows of a group, L events, Q queries, N events that stand, H width, X any width.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.encoders.history.ragged import Standing

_NOTHING = -1e30


class EventTransformer(nn.Module):
    """States of events, each made of the events of its row up to it.

    Layers normalise first, have a residual around attention and one around the network of one hidden layer of twice the
    width; the states are normalised. All but the attention weights is computed for real events only.

    Args:
        width: H.
        num_layers: attention and network, in turn.
        num_heads: of every attention.
        dropout: of what a layer adds.
    """

    def __init__(self, width: int, num_layers: int, num_heads: int, dropout: float) -> None:
        super().__init__()
        self.layers = nn.ModuleList(_Layer(width, num_heads, dropout) for _ in range(num_layers))
        self.norm = nn.LayerNorm(width)

    def forward(self, token_NH: Tensor, standing: Standing) -> Tensor:
        """Return the states, [N, H]."""
        causal = [_bias(_causal(group.mask_RL), token_NH) for group in standing.groups]
        for layer in self.layers:
            token_NH = layer(token_NH, standing, causal)
        state_NH: Tensor = self.norm(token_NH)
        return state_NH


class TargetAttention(nn.Module):
    """What a candidate takes from the states of its row.

    The projections of candidate and states start equal: an event counts the more, the more fields it shares with the
    candidate, before anything is learned.
    """

    def __init__(self, width: int, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.query, self.key, self.value = (nn.Linear(width, width, bias=False) for _ in range(3))
        self.key.load_state_dict(self.query.state_dict())

    def forward(self, candidate_BH: Tensor, state_NH: Tensor, standing: Standing) -> Tensor:
        """Return the weighted mean of the states' values, [B, H]; that of a row without events is meaningless."""
        query_BH, key_value_NX = self.query(candidate_BH), torch.cat([self.key(state_NH), self.value(state_NH)], dim=1)
        taken = []
        for group, part_NX in zip(standing.groups, standing.split(key_value_NX), strict=True):
            key_RLH, value_RLH = group.place(part_NX).chunk(2, dim=2)
            query_R1H = query_BH[group.row_R].unsqueeze(1)
            bias_R1L = _bias(group.mask_RL.unsqueeze(1), query_BH)
            taken.append(_attend(query_R1H, key_RLH, value_RLH, bias_R1L, self.num_heads).squeeze(1))
        return standing.rows(taken)


class _Layer(nn.Module):
    def __init__(self, width: int, num_heads: int, dropout: float) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.attention_norm, self.network_norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.project = nn.Linear(width, 3 * width)
        self.output = nn.Linear(width, width)
        self.network = nn.Sequential(nn.Linear(width, 2 * width), nn.ReLU(), nn.Linear(2 * width, width))
        self.dropout = nn.Dropout(dropout)

    def forward(self, token_NH: Tensor, standing: Standing, causal: Sequence[Tensor]) -> Tensor:
        """Return the next tokens, [N, H]."""
        projected = standing.split(self.project(self.attention_norm(token_NH)))
        attended = []
        for group, part_NX, bias_RLL in zip(standing.groups, projected, causal, strict=True):
            query_RLH, key_RLH, value_RLH = group.place(part_NX).chunk(3, dim=2)
            attended.append(group.take(_attend(query_RLH, key_RLH, value_RLH, bias_RLL, self.num_heads)))
        token_NH = token_NH + self.dropout(self.output(torch.cat(attended)))
        output_NH: Tensor = token_NH + self.dropout(self.network(self.network_norm(token_NH)))
        return output_NH


def _causal(mask_RL: Tensor) -> Tensor:
    """Return which slot (second axis) each slot may attend to: itself and earlier ones, if an event stands there."""
    length = mask_RL.shape[1]
    return mask_RL.unsqueeze(1) & torch.ones(length, length, dtype=torch.bool, device=mask_RL.device).tril()


def _bias(allowed_RQL: Tensor, like: Tensor) -> Tensor:
    """Return what is added to logits: 0 where allowed, else so low a number that nothing is taken.

    It is finite in every precision: queries that may attend to nothing, which are those of padding, stay free of NaN.
    """
    return torch.zeros_like(allowed_RQL, dtype=like.dtype).masked_fill(~allowed_RQL, _NOTHING)


def _attend(query_RQH: Tensor, key_RLH: Tensor, value_RLH: Tensor, bias_RQL: Tensor, num_heads: int) -> Tensor:
    """Return scaled dot-product attention of Q queries to L slots, [R, Q, H]."""
    width = query_RQH.shape[2] // num_heads
    query, key, value = (
        part.view(*part.shape[:2], num_heads, width).transpose(1, 2) for part in (query_RQH, key_RLH, value_RLH)
    )
    bias = bias_RQL.to(query.dtype).unsqueeze(1)
    return functional.scaled_dot_product_attention(query, key, value, bias).transpose(1, 2).flatten(2)
