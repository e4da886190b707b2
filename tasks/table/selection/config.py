"""Which rows of the fit days the steps of a fit read."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from models.ranges import Number, Seed, Whole
from tasks.core.settings import Block

Part = Annotated[Number, Field(gt=0, lt=1)]


class NoSelection(Block):
    """All of them."""

    kind: Literal["none"] = "none"


class Selected(Block):
    """What every way to select has in common."""

    kind: str
    share: Part = 0.25
    """rows that are kept on average, as a part of the fit days' rows"""
    seed: Seed = 0
    """of the draw, beside the night's last fit day and what is drawn: a user or a row"""

    @property
    def lowest(self) -> float:
        """The lowest probability of a row."""
        return self.share


class UniformSelection(Selected):
    """Every row, or every user, with the same probability: the control of all others."""

    kind: Literal["uniform"] = "uniform"
    unit: Literal["row", "user"] = "row"
    """what is kept or left out as a whole"""


class Informed(Selected):
    """Probabilities that differ."""

    least: Part = 0.05
    """no probability is below it, so no weight above 1 / least"""

    @property
    def lowest(self) -> float:
        """The lowest probability of a row."""
        return self.least

    @model_validator(mode="after")
    def _share_is_reached(self) -> "Informed":
        if self.share < self.least:
            raise ValueError(
                f"share {self.share} cannot be reached, since no probability is below least {self.least}: lower least"
            )
        return self


class RareSelection(Informed):
    """Rows of videos with few rows more likely than those of videos with many."""

    kind: Literal["rare"] = "rare"
    power: Annotated[Number, Field(gt=0, le=2)] = 0.5
    """a row of a video with n rows counts n^-power"""


class SearchSelection(Informed):
    """Users more likely whose requests resemble those of the last fit day."""

    kind: Literal["search"] = "search"
    clusters: Whole = Field(default=50, ge=2, le=1000)
    """groups of users, which are ranked by their distance from the last fit day"""


SelectionConfig = Annotated[
    NoSelection | UniformSelection | RareSelection | SearchSelection, Field(discriminator="kind")
]
