"""AutoInt: fields attend to fields, so that which of them interact is learned and can be looked at.

Shape legend: B rows, F fields (m asks, k answers), D embedding width, H heads, C width of a head, Y layers.
"""

import math
from dataclasses import replace
from typing import Literal

import torch
from pydantic import model_validator
from torch import Tensor, nn

from models.backbones.base import Backbone
from models.component import ComponentConfig
from models.encoders.base import Encoded, EncodedShape
from models.ranges import Copies, Dropout, Width


class AutoIntConfig(ComponentConfig):
    """Sizes of the interacting layers, and whose version of them.

    Raises:
        ValueError: if the paper's variant, which has no dropout, is given some.
    """

    kind: Literal["autoint"] = "autoint"
    num_layers: Copies = 3
    """Layers of attention."""
    num_heads: Copies = 2
    """Heads of each layer."""
    head_dim: Width = 32
    """Width of a head."""
    variant: Literal["code", "paper"] = "code"
    """`code` is the authors' program: ReLU on all projections, scores over sqrt(head_dim), dropout on the attention,
    LayerNorm at the end. `paper` has none of these."""
    residual: bool = True
    """Whether a field's own projection is added to what it attends to."""
    dropout: Dropout = 0.0
    """Of attention weights; `code` only."""

    @model_validator(mode="after")
    def _paper_has_no_dropout(self) -> "AutoIntConfig":
        if self.variant == "paper" and self.dropout:
            raise ValueError(f"dropout {self.dropout}: variant 'paper' has none, choose variant 'code'")
        return self


class AutoInt(Backbone):
    """a_mk = softmax_k <W_q e_m, W_k e_k>, r_m = ReLU(concat_h sum_k a_mk W_v e_k + W_res e_m), layer upon layer.

    Source: Song et al., CIKM 2019 (arXiv 1810.11921); docs/methods/backbones.md#autoint. The trunk reads the last
    layer's fields followed by the encoding (AutoInt+, whose deep network on the embeddings is the trunk here); dense
    features enter with the encoding and do not attend, since they have no embeddings.
    """

    Config = AutoIntConfig

    def __init__(self, config: AutoIntConfig, shape: EncodedShape) -> None:
        super().__init__(config, shape)
        width = config.num_heads * config.head_dim
        widths = [shape.embedding_dim] + [width] * (config.num_layers - 1)
        self.layers = nn.ModuleList(_Interacting(config, in_width) for in_width in widths)
        self._shape = replace(shape, embedding_dim=width, width=shape.num_fields * width + shape.width)

    @property
    def shape(self) -> EncodedShape:
        """Sizes of what `forward` returns."""
        return self._shape

    def forward(self, encoded: Encoded) -> Encoded:
        """Return the attended fields, and flat: the same end to end, then the encoding."""
        fields_BFD = self._layers(encoded)[0]
        flat_BE = torch.cat([fields_BFD.flatten(start_dim=1), encoded.flat_BE], dim=1)
        return replace(encoded, fields_BFD=fields_BFD, flat_BE=flat_BE)

    @torch.no_grad()
    def inspect(self, encoded: Encoded) -> dict[str, Tensor]:
        """Return `attention`, averaged over the rows: [Y, H, F, F], every last axis summing to 1.

        Weights, not reasons. The caller puts the module in evaluation mode, or dropout thins them.
        """
        return {"attention": torch.stack([weight_BHFF.mean(dim=0) for weight_BHFF in self._layers(encoded)[1]])}

    def _layers(self, encoded: Encoded) -> tuple[Tensor, list[Tensor]]:
        """Return the last layer's fields and every layer's attention [B, H, F, F]."""
        fields_BFD, attention = encoded.fields_BFD, []
        for layer in self.layers:
            fields_BFD, weight_BHFF = layer(fields_BFD)
            attention.append(weight_BHFF)
        return fields_BFD, attention


class _Interacting(nn.Module):
    """One layer of multi-head self-attention over the fields."""

    def __init__(self, config: AutoIntConfig, in_width: int) -> None:
        super().__init__()
        self.num_heads, self.as_code = config.num_heads, config.variant == "code"
        width = config.num_heads * config.head_dim
        self.query, self.key, self.value = (nn.Linear(in_width, width, bias=False) for _ in range(3))
        self.residual = nn.Linear(in_width, width, bias=False) if config.residual else None
        self.scale = 1 / math.sqrt(config.head_dim) if self.as_code else 1.0
        self.dropout = nn.Dropout(config.dropout)
        self.norm = nn.LayerNorm(width) if self.as_code else nn.Identity()

    def forward(self, fields_BFD: Tensor) -> tuple[Tensor, Tensor]:
        """Return the next fields [B, F, H x C] and the attention [B, H, F, F]."""
        query, key, value = (self._heads(self._project(p, fields_BFD)) for p in (self.query, self.key, self.value))
        weight_BHFF = self.dropout(torch.softmax(self.scale * query @ key.transpose(2, 3), dim=3))
        attended_BFD = (weight_BHFF @ value).transpose(1, 2).flatten(start_dim=2)
        if self.residual is not None:
            attended_BFD = attended_BFD + self._project(self.residual, fields_BFD)
        return self.norm(torch.relu(attended_BFD)), weight_BHFF

    def _project(self, linear: nn.Module, fields_BFD: Tensor) -> Tensor:
        projected_BFD: Tensor = linear(fields_BFD)
        return torch.relu(projected_BFD) if self.as_code else projected_BFD

    def _heads(self, projected_BFD: Tensor) -> Tensor:
        """Return the same numbers as [B, H, F, C]."""
        return projected_BFD.reshape(*projected_BFD.shape[:2], self.num_heads, -1).transpose(1, 2)
