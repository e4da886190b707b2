"""Watch-time heads by `kind`."""

from typing import TYPE_CHECKING

from models.component import ComponentConfig, one_of
from models.heads.base import Head
from models.heads.d2q import D2q
from models.heads.value_regression import VrL1, VrMse
from models.heads.wlr import Wlr

HEADS: dict[str, type[Head]] = {
    "vr_mse": VrMse,
    "vr_l1": VrL1,
    "wlr": Wlr,
    "d2q": D2q,
}

if TYPE_CHECKING:
    HeadConfig = ComponentConfig
else:
    HeadConfig = one_of(HEADS)
