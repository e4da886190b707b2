"""Backbones by `kind`."""

from typing import TYPE_CHECKING

from models.backbones.base import Backbone
from models.backbones.none import NoBackbone
from models.component import ComponentConfig, one_of

BACKBONES: dict[str, type[Backbone]] = {
    "none": NoBackbone,
}

if TYPE_CHECKING:
    BackboneConfig = ComponentConfig
else:
    BackboneConfig = one_of(BACKBONES)
