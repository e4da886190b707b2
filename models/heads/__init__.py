"""Watch-time heads by `kind`."""

from typing import TYPE_CHECKING

from models.component import ComponentConfig, one_of
from models.heads.base import Head
from models.heads.cqe import Cqe
from models.heads.cread import Cread
from models.heads.cwm import Cwm
from models.heads.d2co import D2coA, D2coS
from models.heads.d2q import D2q
from models.heads.exponential_gaussian import Egmn, Hegm
from models.heads.gr import Gr
from models.heads.hazard import Hazard
from models.heads.ordinal import Ordinal
from models.heads.rad import Rad
from models.heads.res_d2q import ResD2q
from models.heads.robust_regression import VrHuber, VrPseudoHuber
from models.heads.tpm import Tpm
from models.heads.transformed_regression import TrLog, TrSqrt
from models.heads.transun import Transun
from models.heads.value_regression import VrL1, VrMse
from models.heads.wlr import Wlr
from models.heads.wtg import Wtg

HEADS: dict[str, type[Head]] = {
    "vr_mse": VrMse,
    "vr_l1": VrL1,
    "vr_huber": VrHuber,
    "vr_phuber": VrPseudoHuber,
    "tr_log": TrLog,
    "tr_sqrt": TrSqrt,
    "wlr": Wlr,
    "d2q": D2q,
    "res_d2q": ResD2q,
    "rad": Rad,
    "ordinal": Ordinal,
    "cread": Cread,
    "hazard": Hazard,
    "tpm": Tpm,
    "cqe": Cqe,
    "wtg": Wtg,
    "d2co_a": D2coA,
    "d2co_s": D2coS,
    "cwm": Cwm,
    "egmn": Egmn,
    "hegm": Hegm,
    "transun": Transun,
    "gr": Gr,
}

if TYPE_CHECKING:
    HeadConfig = ComponentConfig
else:
    HeadConfig = one_of(HEADS)
