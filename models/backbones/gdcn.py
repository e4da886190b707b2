"""GDCN: cross layers whose every interaction passes an information gate.

Shape legend: B rows, E width of the flat encoding, Y layers.
"""

from typing import Literal

import torch
from torch import Tensor, nn

from models.backbones.cross import CrossBackbone, CrossConfig
from models.encoders.base import Encoded, EncodedShape


class GdcnConfig(CrossConfig):
    """Number of the gated cross layers, and what the trunk reads beside them."""

    kind: Literal["gdcn"] = "gdcn"


class Gdcn(CrossBackbone):
    """c_{l+1} = c_0 * (W_l c_l + b_l) * sigmoid(G_l c_l) + c_l over the flat encoding, dense features included.

    Source: Wang et al., CIKM 2023 (arXiv 2311.04635). As in the paper the gate has no bias. Left out: the field-level
    choice of embedding widths, a compression after training.
    """

    Config = GdcnConfig

    def __init__(self, config: GdcnConfig, shape: EncodedShape) -> None:
        super().__init__(config, shape)
        self.crosses = nn.ModuleList(nn.Linear(shape.width, shape.width) for _ in range(config.num_layers))
        self.gates = nn.ModuleList(nn.Linear(shape.width, shape.width, bias=False) for _ in range(config.num_layers))

    def cross(self, flat_BE: Tensor) -> Tensor:
        """Return the last cross layer's output, [B, E]."""
        return self._layers(flat_BE)[0]

    @torch.no_grad()
    def inspect(self, encoded: Encoded) -> dict[str, Tensor]:
        """Return `gate`, how far each layer opens for each input, averaged over the rows: [Y, E] in (0, 1)."""
        return {"gate": torch.stack([gate_BE.mean(dim=0) for gate_BE in self._layers(encoded.flat_BE)[1]])}

    def _layers(self, first_BE: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Return the last layer's output and every layer's gate."""
        x_BE, gates = first_BE, []
        for cross, gate in zip(self.crosses, self.gates, strict=True):
            gates.append(torch.sigmoid(gate(x_BE)))
            x_BE = first_BE * cross(x_BE) * gates[-1] + x_BE
        return x_BE, gates
