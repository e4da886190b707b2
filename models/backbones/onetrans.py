"""OneTrans: one Transformer over the events of the past and the fields of the row.

Shape legend: B rows, L events, M tokens of the row, Q tokens that ask, S = L + M tokens, D embedding width,
E width of the flat encoding, W width of a token, N heads, C width of a head, X any width.
"""

import math
from dataclasses import replace
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.attention_size import AttentionSize
from models.backbones.base import Backbone
from models.component import ComponentConfig
from models.encoders.base import Encoded, EncodedShape
from models.ranges import Copies, Width


class OneTransConfig(ComponentConfig, AttentionSize):
    """Size of the Transformer."""

    kind: Literal["onetrans"] = "onetrans"
    width: Width = 64
    """Of a token, and of what the trunk reads."""
    num_heads: Copies = 4
    """Of every attention; they divide the width."""
    num_layers: Copies = 2
    """Layers of attention."""
    num_tokens: Copies = 8
    """Tokens that the flat encoding is cut into."""
    expansion: Copies = 4
    """Width of a token's hidden layer as a multiple of its own."""


class OneTrans(Backbone):
    """Z = X + MHA(RMS X), X' = Z + FFN(RMS Z) over [events; tokens of the row]; the trunk reads the mean of the row's.

    Events share all weights, each token of the row has its own. An event sees events up to itself, a token of the row
    sees all events and the tokens up to itself. Layer by layer fewer of the oldest events ask; in the last one none
    does, since nothing reads what they would become.

    Source: OneTrans (arXiv 2510.26104, abstract) and public code; docs/methods/backbones.md#onetrans. It takes the
    history's place: `encoder.history: {kind: none}` stands beside it.
    """

    Config = OneTransConfig
    reads_events: ClassVar[bool] = True

    def __init__(self, config: OneTransConfig, shape: EncodedShape) -> None:
        super().__init__(config, shape)
        self._shape = replace(shape, width=config.width)
        self.num_tokens = config.num_tokens
        self.enter = nn.Linear(shape.embedding_dim, config.width)
        self.cut = nn.Linear(shape.width, config.num_tokens * config.width)
        layers, events = config.num_layers, shape.num_events
        asking = [math.ceil(events * (1 - number / layers)) for number in range(1, layers + 1)]
        self.layers = nn.ModuleList(_Layer(config, number) for number in asking)

    @property
    def shape(self) -> EncodedShape:
        """Sizes of what `forward` returns."""
        return self._shape

    def forward(self, encoded: Encoded) -> Encoded:
        """Return the encoding, its flat part [B, W] in the place of what the encoder gave."""
        assert encoded.events_BLD is not None and encoded.mask_BL is not None
        event_BLW, mask_BL = self.enter(encoded.events_BLD), encoded.mask_BL
        row_BMW = functional.gelu(self.cut(encoded.flat_BE)).reshape(event_BLW.shape[0], self.num_tokens, -1)
        for layer in self.layers:
            event_BLW, mask_BL, row_BMW = layer(event_BLW, mask_BL, row_BMW)
        return replace(encoded, flat_BE=row_BMW.mean(dim=1))


class _Layer(nn.Module):
    """One layer, in which the newest events and all tokens of the row ask.

    Args:
        config: sizes.
        num_asking: events that ask, the newest ones; in later layers only they stand.
    """

    def __init__(self, config: OneTransConfig, num_asking: int) -> None:
        super().__init__()
        width, hidden = config.width, config.expansion * config.width
        self.num_asking, self.num_heads, self.num_tokens = num_asking, config.num_heads, config.num_tokens
        self.norm, self.network_norm = nn.RMSNorm(width), nn.RMSNorm(width)
        self.event_key_value = nn.Linear(width, 2 * width)
        if num_asking:
            self.event_query, self.event_output = nn.Linear(width, width), nn.Linear(width, width)
            self.event_network = nn.Sequential(nn.Linear(width, hidden), nn.GELU(), nn.Linear(hidden, width))
        own = config.num_tokens
        self.row_key_value, self.row_query = _OwnLinear(own, width, 2 * width), _OwnLinear(own, width, width)
        self.row_output = _OwnLinear(own, width, width)
        self.row_network = nn.Sequential(_OwnLinear(own, width, hidden), nn.GELU(), _OwnLinear(own, hidden, width))

    def forward(self, event_BLW: Tensor, mask_BL: Tensor, row_BMW: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the events that asked, where they stand, and the tokens of the row."""
        old = max(0, event_BLW.shape[1] - self.num_asking)
        asking = slice(old, None)
        event_normal_BLW, row_normal_BMW = self.norm(event_BLW), self.norm(row_BMW)
        key_value_BSX = torch.cat([self.event_key_value(event_normal_BLW), self.row_key_value(row_normal_BMW)], dim=1)
        query_BQW = self.row_query(row_normal_BMW)
        if self.num_asking:
            query_BQW = torch.cat([self.event_query(event_normal_BLW[:, asking]), query_BQW], dim=1)
        taken_BQW = self._attend(query_BQW, key_value_BSX, self._allowed(mask_BL, old))
        row_BMW = row_BMW + self.row_output(taken_BQW[:, -self.num_tokens :])
        row_BMW = row_BMW + self.row_network(self.network_norm(row_BMW))
        event_BLW = event_BLW[:, asking]
        if self.num_asking:
            event_BLW = event_BLW + self.event_output(taken_BQW[:, : -self.num_tokens])
            event_BLW = event_BLW + self.event_network(self.network_norm(event_BLW))
        return event_BLW, mask_BL[:, asking], row_BMW

    def _allowed(self, mask_BL: Tensor, old: int) -> Tensor:
        """Return whom the tokens that ask may see, [B, Q, S]: those that stand and are not later."""
        stands_BS = functional.pad(mask_BL, (0, self.num_tokens), value=True)
        number_S = torch.arange(stands_BS.shape[1], device=mask_BL.device)
        return (number_S <= number_S[old:].unsqueeze(1)) & stands_BS.unsqueeze(1)

    def _attend(self, query_BQW: Tensor, key_value_BSX: Tensor, allowed_BQS: Tensor) -> Tensor:
        """Return scaled dot-product attention, [B, Q, W]."""
        query_BNQC, key_BNSC, value_BNSC = (
            part.reshape(*part.shape[:2], self.num_heads, -1).transpose(1, 2)
            for part in (query_BQW, *key_value_BSX.chunk(2, dim=2))
        )
        logit_BNQS = query_BNQC @ key_BNSC.transpose(2, 3) / query_BNQC.shape[3] ** 0.5
        # A finite fill keeps padding, which may see nothing, free of NaN; nobody sees what it takes.
        logit_BNQS = logit_BNQS.masked_fill(~allowed_BQS.unsqueeze(1), torch.finfo(logit_BNQS.dtype).min)
        taken_BQW: Tensor = (torch.softmax(logit_BNQS, dim=3) @ value_BNSC).transpose(1, 2).flatten(2)
        return taken_BQW


class _OwnLinear(nn.Module):
    """A linear layer of every token's own, started as `nn.Linear` is."""

    def __init__(self, num_tokens: int, in_width: int, out_width: int) -> None:
        super().__init__()
        bound = in_width**-0.5
        self.weight = nn.Parameter(torch.empty(num_tokens, in_width, out_width).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(num_tokens, out_width).uniform_(-bound, bound))

    def forward(self, token_BMX: Tensor) -> Tensor:
        """Return the mapped tokens, [B, M, out]."""
        return torch.einsum("bmx,mxy->bmy", token_BMX, self.weight) + self.bias
