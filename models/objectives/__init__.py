"""Objectives by `kind`."""

from typing import TYPE_CHECKING

from models.component import ComponentConfig, one_of
from models.objectives.base import Objective
from models.objectives.cdr import Cdr
from models.objectives.cvib import Cvib
from models.objectives.dce_dr import DceDr
from models.objectives.dr import Dr
from models.objectives.dr_bias import DrBias
from models.objectives.dr_cross import DrCross
from models.objectives.dr_jl import DrJl
from models.objectives.dr_mse import DrMse
from models.objectives.dr_residual import DrResidual
from models.objectives.dr_v2 import DrV2
from models.objectives.dt_dr import DtDr
from models.objectives.dt_ips import DtIps
from models.objectives.eib import Eib
from models.objectives.escm2_dr import Escm2Dr
from models.objectives.escm2_ips import Escm2Ips
from models.objectives.esmm import Esmm
from models.objectives.inv_pref import InvPref
from models.objectives.ips import Ips
from models.objectives.ips_v2 import IpsV2
from models.objectives.joint_uniform import JointUniform
from models.objectives.latent_exogenous import LatentExogenous
from models.objectives.mrdr import Mrdr
from models.objectives.naive import Naive
from models.objectives.pd import Pd, Pda
from models.objectives.proxy_priors import ProxyPriors
from models.objectives.rel_mf import RelMf
from models.objectives.snips import Snips
from models.objectives.stable_dr import StableDr
from models.objectives.tdr import Tdr
from models.objectives.tmle import Tmle

OBJECTIVES: dict[str, type[Objective]] = {
    "naive": Naive,
    "ips": Ips,
    "snips": Snips,
    "joint_uniform": JointUniform,
    "eib": Eib,
    "dr": Dr,
    "dr_jl": DrJl,
    "mrdr": Mrdr,
    "stable_dr": StableDr,
    "ips_v2": IpsV2,
    "dr_v2": DrV2,
    "esmm": Esmm,
    "escm2_ips": Escm2Ips,
    "escm2_dr": Escm2Dr,
    "pd": Pd,
    "pda": Pda,
    "rel_mf": RelMf,
    "dr_bias": DrBias,
    "dr_mse": DrMse,
    "tdr": Tdr,
    "tmle": Tmle,
    "cdr": Cdr,
    "dce_dr": DceDr,
    "dr_cross": DrCross,
    "dr_residual": DrResidual,
    "cvib": Cvib,
    "inv_pref": InvPref,
    "dt_ips": DtIps,
    "dt_dr": DtDr,
    "proxy_priors": ProxyPriors,
    "latent_exogenous": LatentExogenous,
}

if TYPE_CHECKING:
    ObjectiveConfig = ComponentConfig
else:
    ObjectiveConfig = one_of(OBJECTIVES)
