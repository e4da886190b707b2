"""The one interface of every backbone: what happens to the encoded fields before tasks part.

Shape legend: B rows, F categorical fields, D embedding width, E width of the flat encoding.
"""

from abc import ABC, abstractmethod
from typing import Any, ClassVar

from torch import Tensor, nn

from models.component import ComponentConfig
from models.encoders.base import Encoded, EncodedShape


class Backbone(nn.Module, ABC):
    """Crosses fields with each other: from one encoding of a batch to a richer one that the trunk reads.

    Args of the constructor: its configuration, and the shape of what the encoder gives.

    Attributes:
        reads_events: whether it reads past events one by one; the encoder then fills `Encoded.events_BLD`.
    """

    Config: ClassVar[type[ComponentConfig]]
    reads_events: ClassVar[bool] = False

    @abstractmethod
    def __init__(self, config: Any, shape: EncodedShape) -> None:
        super().__init__()

    @property
    @abstractmethod
    def shape(self) -> EncodedShape:
        """Sizes of what `forward` returns."""

    @abstractmethod
    def forward(self, encoded: Encoded) -> Encoded:
        """Return the encoding with its crosses."""

    def inspect(self, encoded: Encoded) -> dict[str, Tensor]:
        """Return what a modeller may want to look at (attention weights ...), by name; by default nothing."""
        return {}
