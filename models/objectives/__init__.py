"""Objectives by `kind`."""

from typing import TYPE_CHECKING

from models.component import ComponentConfig, one_of
from models.objectives.base import Objective
from models.objectives.ips import Ips
from models.objectives.naive import Naive

OBJECTIVES: dict[str, type[Objective]] = {
    "naive": Naive,
    "ips": Ips,
}

if TYPE_CHECKING:
    ObjectiveConfig = ComponentConfig
else:
    ObjectiveConfig = one_of(OBJECTIVES)
