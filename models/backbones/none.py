"""No backbone: the trunk reads the encoding as it is."""

from typing import Literal

from models.backbones.base import Backbone
from models.component import ComponentConfig
from models.encoders.base import Encoded, EncodedShape


class NoBackboneConfig(ComponentConfig):
    """Nothing to set."""

    kind: Literal["none"] = "none"


class NoBackbone(Backbone):
    """The identity."""

    Config = NoBackboneConfig

    def __init__(self, config: NoBackboneConfig, shape: EncodedShape) -> None:
        super().__init__(config, shape)
        self._shape = shape

    @property
    def shape(self) -> EncodedShape:
        """Sizes of what `forward` returns."""
        return self._shape

    def forward(self, encoded: Encoded) -> Encoded:
        """Return the encoding."""
        return encoded
