"""Configuration of an ensemble."""

from pydantic import Field, field_validator

from tasks.core.names import Name
from tasks.core.settings import Block


class EnsembleConfig(Block):
    """Recipes whose scores are averaged as percentiles (docs/methods/watch_time.md#rank-average)."""

    members: tuple[Name, ...] = Field(min_length=2)
    """names of `recipes`; every one counts alike"""

    @field_validator("members")
    @classmethod
    def _distinct(cls, members: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(members)) != len(members):
            raise ValueError(f"members must be distinct, got {', '.join(members)}")
        return members
