"""FinalMLP: two networks that select their own features, fused by a bilinear form.

Shape legend: B rows, E width of the flat encoding, P and Q stream widths, K heads.
"""

from dataclasses import replace
from typing import Literal

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from models.backbones.base import Backbone
from models.component import ComponentConfig
from models.encoders.base import Encoded, EncodedShape
from models.mlp import mlp
from models.ranges import Copies, Dropout, Width, Widths


class FinalMlpConfig(ComponentConfig):
    """Widths of the two streams and of what joins them.

    Raises:
        ValueError: if the heads do not divide the streams' last widths.
    """

    kind: Literal["finalmlp"] = "finalmlp"
    first: Widths = Field(default=(128, 64), min_length=1)
    """Widths of the layers of one of the two networks."""
    second: Widths = Field(default=(128, 64), min_length=1)
    """Widths of the layers of the other."""
    gate: Width = 64
    """Hidden width of a stream's feature selection."""
    num_heads: Copies = 8
    """Parts that the streams' outputs are cut into; each pair of parts gives one bilinear term."""
    dropout: Dropout = 0.2
    """Share of a layer's outputs that is left out, at random, in a step."""

    @model_validator(mode="after")
    def _heads_divide(self) -> "FinalMlpConfig":
        for width in (self.first[-1], self.second[-1]):
            if width % self.num_heads:
                raise ValueError(f"num_heads {self.num_heads} does not divide the last width {width} of a stream")
        return self


class FinalMlp(Backbone):
    """[o_1, o_2, (o_1k' W_k o_2k for every head k), encoding], o_s = MLP_s(2 sigmoid(gate_s(x)) * x).

    Source: Mao et al., AAAI 2023 (arXiv 2304.00902). Three things differ. The paper's gates read user features for one
    stream and item features for the other; a backbone is not told which is which, so both read the encoding, apart. The
    bilinear terms are not yet summed over heads, nor the linear parts, so that every task weighs them for itself. The
    encoding is passed on.
    """

    Config = FinalMlpConfig

    def __init__(self, config: FinalMlpConfig, shape: EncodedShape) -> None:
        super().__init__(config, shape)
        self.gates = nn.ModuleList(_gate(shape.width, config.gate) for _ in range(2))
        streams = (config.first, config.second)
        self.streams = nn.ModuleList(mlp(shape.width, hidden, config.dropout) for hidden in streams)
        last_p, last_q = config.first[-1], config.second[-1]
        self.num_heads = config.num_heads
        self.form_KPQ = nn.Parameter(
            torch.empty(config.num_heads, last_p // config.num_heads, last_q // config.num_heads)
        )
        nn.init.xavier_normal_(self.form_KPQ)
        self._shape = replace(shape, width=last_p + last_q + config.num_heads + shape.width)

    @property
    def shape(self) -> EncodedShape:
        """Sizes of what `forward` returns."""
        return self._shape

    def forward(self, encoded: Encoded) -> Encoded:
        """Return both streams, their bilinear terms [B, K] and the encoding, end to end."""
        x_BE = encoded.flat_BE
        first_BP, second_BQ = (
            stream(2 * torch.sigmoid(gate(x_BE)) * x_BE) for gate, stream in zip(self.gates, self.streams, strict=True)
        )
        fused_BK = torch.einsum("bkp,kpq,bkq->bk", self._heads(first_BP), self.form_KPQ, self._heads(second_BQ))
        return replace(encoded, flat_BE=torch.cat([first_BP, second_BQ, fused_BK, x_BE], dim=1))

    def _heads(self, stream_BP: Tensor) -> Tensor:
        """Return the same numbers with one row per head."""
        return stream_BP.reshape(stream_BP.shape[0], self.num_heads, -1)


def _gate(width: int, hidden: int) -> nn.Sequential:
    """Return the logits of a feature selection."""
    return nn.Sequential(nn.Linear(width, hidden), nn.ReLU(), nn.Linear(hidden, width))
