"""HSTU: pointwise gated attention over the events, asked by the candidate as the last token.

Shape legend: B rows, L events, Q tokens that ask, S tokens that are asked, D embedding width, H width of a token,
N heads, W width of a head.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.attention_size import AttentionSize
from models.batch import History
from models.encoders.history.base import EMBEDDING_STD, EventEmbedding, HistoryEncoder
from models.encoders.history.in_order import InOrderConfig, read, small_projection, without_gaps
from models.ranges import Copies, Dropout
from models.schema import InputSchema


class HstuHistoryConfig(InOrderConfig, AttentionSize):
    """Size of the layers."""

    kind: Literal["hstu"] = "hstu"
    dropout: Dropout = 0.2
    """Of what a layer adds."""
    num_layers: Copies = 2
    """Layers of attention."""


@dataclass(frozen=True)
class _Asked:
    """What candidates may ask of the events.

    Attributes:
        key: of every layer, [B, L, H].
        value: of every layer, [B, L, H].
        gap_BL: bucket of the time between each event and the row's day.
        mask_BL: where events stand.
    """

    key: tuple[Tensor, ...]
    value: tuple[Tensor, ...]
    gap_BL: Tensor
    mask_BL: Tensor

    def of_rows(self, history: History) -> "_Asked":
        """Return what the candidate of every row may ask, from what may be asked of the sequences."""
        keys, values = (tuple(map(history.of_rows, states)) for states in (self.key, self.value))
        return _Asked(keys, values, history.of_rows(self.gap_BL), history.of_rows(self.mask_BL))


class HstuHistory(HistoryEncoder):
    """U, V, Q, K = SiLU(LN(X) W); A = SiLU(Q K' / sqrt(W) + r) / n * mask; Y = X + (LN(A V) * U) W_o, layer upon layer.

    Events see events up to themselves, the candidate sees all and itself, and no event sees the candidate: where candidates
    share a sequence, its events are encoded once. n is the configured length and one, never a
    batch's, so that a row does not depend on its mates; the mask comes after the SiLU.

    Source: Zhai et al., Actions Speak Louder than Words, ICML 2024; docs/methods/sequences.md#hstu. The bias r knows
    times as far as their buckets tell.
    """

    Config = HstuHistoryConfig

    def __init__(self, config: HstuHistoryConfig, schema: InputSchema, embedding_dim: int) -> None:
        super().__init__(config, schema, embedding_dim)
        self.width, self.length, self.skips = embedding_dim, schema.history_length, config.skips
        self.num_gap_codes = schema.num_gap_codes
        self.events = EventEmbedding(schema, embedding_dim)
        self.empty_D = nn.Parameter(torch.empty(embedding_dim).normal_(std=EMBEDDING_STD))
        self.enter = nn.Linear(embedding_dim, config.width, bias=False)
        self.candidate_H = nn.Parameter(torch.empty(config.width).normal_(std=EMBEDDING_STD))
        self.place_bias = nn.Embedding(self.length + 1, 1)
        self.time_bias = nn.Embedding(self.num_gap_codes**2, 1)
        for bias in (self.place_bias, self.time_bias):
            nn.init.zeros_(bias.weight)
        self.layers = nn.ModuleList(
            _Layer(config.width, config.num_heads, config.dropout, self.length + 1) for _ in range(config.num_layers)
        )
        self.norm = nn.LayerNorm(config.width)
        self.leave = small_projection(config.width, embedding_dim)

    def forward(self, history: History | None, table: nn.Embedding, candidate_BD: Tensor) -> Tensor:
        """Return the candidate's state after the last layer, [B, D]; a learned vector where no event is read."""
        assert history is not None
        asked = self._of(history, table).of_rows(history)
        summary_BD = self._candidate(asked, candidate_BD)
        return torch.where(asked.mask_BL.any(dim=1, keepdim=True), summary_BD, self.empty_D)

    def _of(self, history: History, table: nn.Embedding) -> _Asked:
        read_BL, newest = read(history, self.skips), slice(-self.length, None)
        event_BLD, mask_BL = without_gaps(self.events(history, table), read_BL)
        gap_BL = without_gaps(history.gap_BL.unsqueeze(2), read_BL)[0].squeeze(2)
        return self._asked(event_BLD[:, newest], gap_BL[:, newest], mask_BL[:, newest])

    def _asked(self, event_BLD: Tensor, gap_BL: Tensor, mask_BL: Tensor) -> _Asked:
        """Run the events through the layers."""
        length = mask_BL.shape[1]
        place_L = torch.arange(length, device=mask_BL.device)
        back_LL = place_L.unsqueeze(1) - place_L
        bias_BLL = self._bias(back_LL.clamp(min=0), gap_BL, gap_BL)
        allowed_BLL = (back_LL >= 0) & mask_BL.unsqueeze(1)
        token_BLH, keys, values = self.enter(event_BLD), [], []
        for layer in self._each_layer:
            gate_BLH, value_BLH, query_BLH, key_BLH = layer.split(token_BLH)
            keys.append(key_BLH)
            values.append(value_BLH)
            taken_BLH = layer.take(query_BLH, key_BLH, value_BLH, bias_BLL, allowed_BLL)
            token_BLH = layer.close(token_BLH, gate_BLH, taken_BLH)
        return _Asked(tuple(keys), tuple(values), gap_BL, mask_BL)

    def _candidate(self, asked: _Asked, candidate_BD: Tensor) -> Tensor:
        """Run the candidate through the layers, [B, D]; it asks the events and itself."""
        length = asked.mask_BL.shape[1]
        # The candidate is at the start of the row's day, where gaps are counted from: its own is 0.
        gap_BS = functional.pad(asked.gap_BL, (0, 1))
        back_1S = torch.arange(length, -1, -1, device=gap_BS.device).unsqueeze(0)
        bias_B1S = self._bias(back_1S, gap_BS[:, -1:], gap_BS)
        allowed_B1S = functional.pad(asked.mask_BL, (0, 1), value=True).unsqueeze(1)
        token_B1H = (self.enter(candidate_BD) + self.candidate_H).unsqueeze(1)
        for layer, key_BLH, value_BLH in zip(self._each_layer, asked.key, asked.value, strict=True):
            gate_B1H, value_B1H, query_B1H, key_B1H = layer.split(token_B1H)
            key_BSH, value_BSH = torch.cat([key_BLH, key_B1H], dim=1), torch.cat([value_BLH, value_B1H], dim=1)
            taken_B1H = layer.take(query_B1H, key_BSH, value_BSH, bias_B1S, allowed_B1S)
            token_B1H = layer.close(token_B1H, gate_B1H, taken_B1H)
        summary_BD: Tensor = self.leave(self.norm(token_B1H.squeeze(1)))
        return summary_BD

    @property
    def _each_layer(self) -> Iterable["_Layer"]:
        return cast("Iterable[_Layer]", self.layers)

    def _bias(self, back_QS: Tensor, gap_BQ: Tensor, gap_BS: Tensor) -> Tensor:
        """Return r of tokens that ask and are asked, [B, Q, S]: one number for the places between, one for both times."""
        times_BQS = gap_BQ.unsqueeze(2) * self.num_gap_codes + gap_BS.unsqueeze(1)
        bias_BQS: Tensor = (self.place_bias(back_QS) + self.time_bias(times_BQS)).squeeze(3)
        return bias_BQS


class _Layer(nn.Module):
    def __init__(self, width: int, num_heads: int, dropout: float, num_tokens: int) -> None:
        super().__init__()
        self.num_heads, self.num_tokens = num_heads, num_tokens
        self.norm, self.taken_norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.project, self.output = nn.Linear(width, 4 * width), nn.Linear(width, width)
        self.dropout = nn.Dropout(dropout)

    def split(self, token_BQH: Tensor) -> tuple[Tensor, ...]:
        """Return U, V, Q and K, each [B, Q, H]."""
        return functional.silu(self.project(self.norm(token_BQH))).chunk(4, dim=2)

    def take(
        self, query_BQH: Tensor, key_BSH: Tensor, value_BSH: Tensor, bias_BQS: Tensor, allowed_BQS: Tensor
    ) -> Tensor:
        """Return A V, [B, Q, H]."""
        query, key, value = (
            part.reshape(*part.shape[:2], self.num_heads, -1) for part in (query_BQH, key_BSH, value_BSH)
        )
        logit_BNQS = torch.einsum("bqnw,bsnw->bnqs", query, key) / query.shape[3] ** 0.5 + bias_BQS.unsqueeze(1)
        weight_BNQS = functional.silu(logit_BNQS) / self.num_tokens * allowed_BQS.unsqueeze(1)
        return torch.einsum("bnqs,bsnw->bqnw", weight_BNQS, value).flatten(2)

    def close(self, token_BQH: Tensor, gate_BQH: Tensor, taken_BQH: Tensor) -> Tensor:
        """Return the next tokens, [B, Q, H]."""
        output_BQH: Tensor = token_BQH + self.output(self.dropout(self.taken_norm(taken_BQH) * gate_BQH))
        return output_BQH
