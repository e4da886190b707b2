"""From several scores to one: percentiles averaged over models, objectives fused for ranking."""

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field

from models.fusion.additive import AdditiveFusion
from models.fusion.base import SearchedFusion
from models.fusion.monotone import MonotoneFusion
from models.fusion.multiplicative import MultiplicativeFusion
from models.fusion.rank_additive import RankAdditiveFusion

SEARCHED: Mapping[str, type[SearchedFusion]] = {
    "multiplicative": MultiplicativeFusion,
    "additive": AdditiveFusion,
    "rank_additive": RankAdditiveFusion,
}
"""Fusions whose parameters are searched for, by kind; `monotone` is fitted instead."""

AnyFusion = Annotated[
    MultiplicativeFusion | AdditiveFusion | RankAdditiveFusion | MonotoneFusion, Field(discriminator="kind")
]
