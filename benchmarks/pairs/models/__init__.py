"""Scorers of user-item pairs by `kind`."""

from typing import TYPE_CHECKING

from benchmarks.pairs.models.additive import Additive
from benchmarks.pairs.models.base import Scorer
from benchmarks.pairs.models.crosses import Crosses
from benchmarks.pairs.models.mf import Mf
from benchmarks.pairs.models.ncf import Ncf
from models.component import ComponentConfig, one_of

SCORERS: dict[str, type[Scorer]] = {
    "additive": Additive,
    "mf": Mf,
    "ncf": Ncf,
    "crosses": Crosses,
}

if TYPE_CHECKING:
    ScorerConfig = ComponentConfig
else:
    ScorerConfig = one_of(SCORERS)
