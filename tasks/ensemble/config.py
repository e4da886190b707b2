"""Configuration of an ensemble."""

from typing import Annotated

from pydantic import Field

from models.ranges import distinct
from tasks.core.names import Name
from tasks.core.settings import Block


class EnsembleConfig(Block):
    """Recipes whose scores are averaged as percentiles (docs/methods/watch_time.md#rank-average)."""

    members: Annotated[tuple[Name, ...], distinct("members")] = Field(min_length=2)
    """names of `recipes`; every one counts alike"""
