"""What backbones of cross layers share: the cross beside the encoding, or in its place.

Shape legend: B rows, E width of the flat encoding.
"""

from abc import abstractmethod
from dataclasses import replace
from typing import Any, Literal

import torch
from torch import Tensor

from models.backbones.base import Backbone
from models.component import ComponentConfig
from models.encoders.base import Encoded, EncodedShape
from models.ranges import Copies


class CrossConfig(ComponentConfig):
    """Number of cross layers, and what the trunk reads beside them."""

    num_layers: Copies = 3
    """Cross layers; the last one holds interactions of up to `num_layers` + 1 inputs."""
    structure: Literal["parallel", "stacked"] = "parallel"
    """Whether the trunk reads the cross beside the encoding, or in its place."""


class CrossBackbone(Backbone):
    """Crosses of the flat encoding. The deep network that papers run beside (`parallel`) or on top of (`stacked`) the
    cross is the trunk, so that every trunk can stand on it; its first layer therefore reads both."""

    def __init__(self, config: Any, shape: EncodedShape) -> None:
        super().__init__(config, shape)
        self.stacked = config.structure == "stacked"
        self._shape = replace(shape, width=shape.width if self.stacked else 2 * shape.width)

    @property
    def shape(self) -> EncodedShape:
        """Sizes of what `forward` returns."""
        return self._shape

    @abstractmethod
    def cross(self, flat_BE: Tensor) -> Tensor:
        """Return the last cross layer's output, [B, E]."""

    def forward(self, encoded: Encoded) -> Encoded:
        """Return the cross, and behind it the encoding where the structure is parallel."""
        cross_BE = self.cross(encoded.flat_BE)
        return replace(encoded, flat_BE=cross_BE if self.stacked else torch.cat([cross_BE, encoded.flat_BE], dim=1))
