"""EPNet of PEPNet: where a row comes from scales its embeddings.

Shape legend: B rows, F fields, D embedding width, E width of the flat encoding, X = F x D.
"""

from dataclasses import replace
from typing import Literal

import torch
from torch import Tensor

from models.backbones.base import Backbone
from models.component import ComponentConfig
from models.encoders.base import Encoded, EncodedShape
from models.gate_nu import GateNu
from models.ranges import Width


class EpNetConfig(ComponentConfig):
    """What tells the domain, and the size of the gate."""

    kind: Literal["epnet"] = "epnet"
    domain: str = "scene"
    """The categorical field that tells where a row comes from."""
    gate: Width = 64
    """Hidden width of the gate."""

    @property
    def fields(self) -> tuple[str, ...]:
        """Categorical fields that it names."""
        return (self.domain,)


class EpNet(Backbone):
    """e' = GateNU([e_domain; sg(e)]) * e, one gate per number of the embedded fields e.

    The gate learns from e but does not teach it: the gradient stops at sg(e). Dense features pass as they are.

    Source: Chang et al., PEPNet, KDD 2023; docs/methods/backbones.md#epnet.

    Raises:
        ValueError: if the encoder does not read the domain's field.
    """

    Config = EpNetConfig

    def __init__(self, config: EpNetConfig, shape: EncodedShape) -> None:
        super().__init__(config, shape)
        self._shape = shape
        self.domain = shape.column(config.domain, "backbone 'epnet' (domain)")
        self.width = shape.num_fields * shape.embedding_dim
        self.gate = GateNu(shape.embedding_dim + self.width, config.gate, self.width)

    @property
    def shape(self) -> EncodedShape:
        """Sizes of what `forward` returns."""
        return self._shape

    def forward(self, encoded: Encoded) -> Encoded:
        """Return the encoding with its fields scaled."""
        fields_BFD = self.gates(encoded) * encoded.fields_BFD
        flat_BE = torch.cat([fields_BFD.flatten(start_dim=1), encoded.flat_BE[:, self.width :]], dim=1)
        return replace(encoded, fields_BFD=fields_BFD, flat_BE=flat_BE)

    def gates(self, encoded: Encoded) -> Tensor:
        """Return the gates, [B, F, D]."""
        fields_BFD = encoded.fields_BFD
        read_BX = torch.cat([fields_BFD[:, self.domain], fields_BFD.detach().flatten(start_dim=1)], dim=1)
        gate_BFD: Tensor = self.gate(read_BX).view_as(fields_BFD)
        return gate_BFD

    @torch.no_grad()
    def inspect(self, encoded: Encoded) -> dict[str, Tensor]:
        """Return `gate_mean` and `gate_sd` of every field over its numbers and the rows, [F]."""
        gate_BFD = self.gates(encoded)
        return {"gate_mean": gate_BFD.mean(dim=(0, 2)), "gate_sd": gate_BFD.std(dim=(0, 2), correction=0)}
