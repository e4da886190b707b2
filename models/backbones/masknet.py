"""MaskNet: every instance computes a mask that is multiplied onto its own features.

Shape legend: B rows, F fields, D embedding width, E width of the flat encoding, W width of a block.
"""

from dataclasses import replace
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.backbones.base import Backbone
from models.component import ComponentConfig
from models.encoders.base import Encoded, EncodedShape
from models.ranges import Copies, Weight, Width


class MaskNetConfig(ComponentConfig):
    """Number, width and arrangement of the mask blocks."""

    kind: Literal["masknet"] = "masknet"
    structure: Literal["parallel", "serial"] = "parallel"
    """Whether all blocks mask the fields, or each masks the output of the one before."""
    num_blocks: Copies = 3
    """Blocks side by side, each with a mask of its own."""
    width: Width = 64
    """Output width of a block."""
    aggregation: Weight = 2.0
    """Width of the mask's hidden layer as a multiple of what it masks (the paper's reduction ratio)."""


class MaskNet(Backbone):
    """block(v) = ReLU(LayerNorm(W (mask(x) * v))), mask(x) = W_2 ReLU(W_1 x + b_1) + b_2, v_0 = the fields' LayerNorms.

    Source: Wang, She and Zhang, DLP-KDD 2021 (arXiv 2102.07619). Masks are guided by the flat encoding, dense features
    included; what is masked are the fields. The deep network over parallel blocks is the trunk, which reads the blocks
    (serial: the last one) followed by the encoding, so that dense features reach it directly.
    """

    Config = MaskNetConfig

    def __init__(self, config: MaskNetConfig, shape: EncodedShape) -> None:
        super().__init__(config, shape)
        self.serial = config.structure == "serial"
        self.gain_FD = nn.Parameter(torch.ones(shape.num_fields, shape.embedding_dim))
        self.bias_FD = nn.Parameter(torch.zeros(shape.num_fields, shape.embedding_dim))
        widths = [shape.num_fields * shape.embedding_dim] * config.num_blocks
        if self.serial:
            widths[1:] = [config.width] * (config.num_blocks - 1)
        self.blocks = nn.ModuleList(_MaskBlock(config, shape.width, masked) for masked in widths)
        self._shape = replace(shape, width=config.width * (1 if self.serial else config.num_blocks) + shape.width)

    @property
    def shape(self) -> EncodedShape:
        """Sizes of what `forward` returns."""
        return self._shape

    def forward(self, encoded: Encoded) -> Encoded:
        """Return the blocks' outputs, then the encoding."""
        guide_BE, hidden_BW = encoded.flat_BE, self._normalised(encoded.fields_BFD)
        if self.serial:
            for block in self.blocks:
                hidden_BW = block(guide_BE, hidden_BW)
        else:
            hidden_BW = torch.cat([block(guide_BE, hidden_BW) for block in self.blocks], dim=1)
        return replace(encoded, flat_BE=torch.cat([hidden_BW, guide_BE], dim=1))

    def _normalised(self, fields_BFD: Tensor) -> Tensor:
        """Return every field's LayerNorm, with a gain and a bias of its own, end to end."""
        normal_BFD = functional.layer_norm(fields_BFD, fields_BFD.shape[2:])
        return (normal_BFD * self.gain_FD + self.bias_FD).flatten(start_dim=1)


class _MaskBlock(nn.Module):
    """Masks a vector by the instance, then one normalised layer."""

    def __init__(self, config: MaskNetConfig, guide_width: int, in_width: int) -> None:
        super().__init__()
        hidden = max(1, round(config.aggregation * in_width))
        self.mask = nn.Sequential(nn.Linear(guide_width, hidden), nn.ReLU(), nn.Linear(hidden, in_width))
        self.linear = nn.Linear(in_width, config.width, bias=False)
        self.norm = nn.LayerNorm(config.width)

    def forward(self, guide_BE: Tensor, hidden_BW: Tensor) -> Tensor:
        return torch.relu(self.norm(self.linear(self.mask(guide_BE) * hidden_BW)))
