"""Trunks by `kind`."""

from typing import TYPE_CHECKING

from models.component import ComponentConfig, one_of
from models.trunks.aitm import Aitm
from models.trunks.base import Trunk
from models.trunks.esmm_chain import EsmmChain
from models.trunks.home import Home
from models.trunks.mmoe import MMoE
from models.trunks.ple import Ple
from models.trunks.ppnet import PpNet
from models.trunks.shared_bottom import SharedBottom
from models.trunks.stem import Stem

TRUNKS: dict[str, type[Trunk]] = {
    "shared_bottom": SharedBottom,
    "mmoe": MMoE,
    "ple": Ple,
    "aitm": Aitm,
    "esmm_chain": EsmmChain,
    "stem": Stem,
    "home": Home,
    "ppnet": PpNet,
}

if TYPE_CHECKING:
    TrunkConfig = ComponentConfig
else:
    TrunkConfig = one_of(TRUNKS)
