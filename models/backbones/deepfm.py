"""DeepFM: the factorisation machine's pairwise interactions beside the encoding that the deep part reads.

Shape legend: B rows, F fields, D embedding width, E width of the flat encoding.
"""

from dataclasses import replace
from typing import Literal

import torch
from torch import Tensor, nn

from models.backbones.base import Backbone
from models.component import ComponentConfig
from models.encoders.base import Encoded, EncodedShape
from models.encoders.history.base import EMBEDDING_STD


class DeepFmConfig(ComponentConfig):
    """Nothing to set."""

    kind: Literal["deepfm"] = "deepfm"


class DeepFm(Backbone):
    """[sum_{i<j} v_i * v_j, first-order terms <w_i, v_i>, encoding].

    Source: Guo et al., IJCAI 2017 (arXiv 1703.04247). Three things differ. The pairwise term is kept as the vector before its
    last sum (the bi-interaction of He and Chua, SIGIR 2017), so that every task weighs its coordinates for itself. The
    first-order weight of an id is a linear function of its embedding, one per field: a backbone sees no ids. And the deep
    network is the trunk, which reads all three.
    """

    Config = DeepFmConfig

    def __init__(self, config: DeepFmConfig, shape: EncodedShape) -> None:
        super().__init__(config, shape)
        self.first_FD = nn.Parameter(torch.empty(shape.num_fields, shape.embedding_dim))
        nn.init.normal_(self.first_FD, std=EMBEDDING_STD)
        self._shape = replace(shape, width=shape.embedding_dim + shape.num_fields + shape.width)

    @property
    def shape(self) -> EncodedShape:
        """Sizes of what `forward` returns."""
        return self._shape

    def forward(self, encoded: Encoded) -> Encoded:
        """Return pairwise terms [B, D], first-order terms [B, F] and the encoding [B, E], end to end."""
        first_BF = (encoded.fields_BFD * self.first_FD).sum(dim=2)
        return replace(encoded, flat_BE=torch.cat([pairwise(encoded.fields_BFD), first_BF, encoded.flat_BE], dim=1))


def pairwise(fields_BFD: Tensor) -> Tensor:
    """Return the sum over all pairs of fields of their elementwise products, [B, D], in time linear in F."""
    return (fields_BFD.sum(dim=1).square() - fields_BFD.square().sum(dim=1)) / 2
