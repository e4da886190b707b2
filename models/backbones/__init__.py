"""Backbones by `kind`."""

from typing import TYPE_CHECKING

from models.backbones.autoint import AutoInt
from models.backbones.base import Backbone
from models.backbones.dcnv2 import DcnV2
from models.backbones.deepfm import DeepFm
from models.backbones.epnet import EpNet
from models.backbones.finalmlp import FinalMlp
from models.backbones.gdcn import Gdcn
from models.backbones.masknet import MaskNet
from models.backbones.none import NoBackbone
from models.backbones.onetrans import OneTrans
from models.component import ComponentConfig, one_of

BACKBONES: dict[str, type[Backbone]] = {
    "none": NoBackbone,
    "dcnv2": DcnV2,
    "gdcn": Gdcn,
    "deepfm": DeepFm,
    "autoint": AutoInt,
    "masknet": MaskNet,
    "finalmlp": FinalMlp,
    "epnet": EpNet,
    "onetrans": OneTrans,
}

if TYPE_CHECKING:
    BackboneConfig = ComponentConfig
else:
    BackboneConfig = one_of(BACKBONES)
