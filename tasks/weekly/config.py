"""What `dwell weekly` looks into: the reviews of `params.yaml`, by name."""

from collections.abc import Collection, Iterator
from typing import Annotated, Literal

import numpy as np
from pydantic import Field, model_validator

from models.ranges import Number, Seed, Seeds, Share, Steps, StepSize, Whole
from tasks.core.names import Name
from tasks.core.settings import Block
from tasks.core.yaml_config import nearest

Wrong = tuple[tuple[str, ...], str]
"""Keys below a review of something wrong, and what is wrong with it."""


class _OfOneNetwork(Block):
    """What looks at one network."""

    recipe: Name | None = None
    """a network of `recipes`; null: the first one of nightly.recipes"""

    def problems(self, recipes: Collection[str], networks: Collection[str], *, keeps_codes: bool) -> Iterator[Wrong]:
        """Yield why there is no such network.

        Args:
            recipes: names of all recipes.
            networks: those that are of networks.
            keeps_codes: whether codes stay from night to night.
        """
        if self.recipe is not None and self.recipe not in recipes:
            yield ("recipe",), f"unknown recipe {self.recipe!r}{nearest(self.recipe, tuple(recipes))}"
        elif self.recipe is not None and self.recipe not in networks:
            yield ("recipe",), f"recipe {self.recipe!r} is of trees, and the review is of networks: name one of those"


class PruneReview(_OfOneNetwork):
    """Which fields can a recipe do without? Proposes the recipe without them as one more challenger."""

    kind: Literal["prune"] = "prune"
    most: Whole | None = Field(default=3, ge=1, le=1000)
    """fields to drop at most; null: as many as tuning.metric allows"""


class ScalingReview(_OfOneNetwork):
    """What would more fit days, or a wider embedding, be worth? Proposes twice as much where it pays."""

    kind: Literal["scaling"] = "scaling"
    axis: Literal["days", "width"]
    """days: the last days of the fit window; width: encoder.embedding_dim of the recipe"""
    sizes: Whole = Field(default=5, ge=2, le=12)
    """sizes of the ladder, the recipe as it is the largest; fewer where there are no more days; a law needs four"""
    seeds: Seeds = Field(default=(0, 1, 2), min_length=2, max_length=100)
    """fits of every size; what they differ by is the noise"""
    doublings: Whole = Field(default=1, ge=1, le=10)
    """how often to double; the first decides"""
    reach: Number = Field(default=2.0, ge=2, le=10)
    """factor beyond the largest size fitted up to which something is forecast; what lies farther is refused"""
    worth: Number = Field(default=0.002, ge=0, le=1)
    """share of the loss that the first doubling must save to be proposed, beside an interval above 0"""


class CodesReview(Block):
    """Do the codes of table.items still fit the videos of these days? Proposes to learn them from newer ones."""

    kind: Literal["codes"] = "codes"
    recent_days: Whole = Field(default=3, ge=1, le=366)
    """last days up to the validation day; on videos uploaded on them the codebooks are compared, and none learns from these"""
    least_videos: Whole = Field(default=30, ge=10, le=10**6)
    """recent videos with content without which nothing is said"""
    worse: Number = Field(default=0.1, ge=0, le=10)
    """share by which the error of the codebooks in use may exceed that of new ones on recent videos"""

    def problems(self, recipes: Collection[str], networks: Collection[str], *, keeps_codes: bool) -> Iterator[Wrong]:
        """Yield why no codes can be out of date; arguments as for reviews of networks."""
        if not keeps_codes:
            yield (), "asks whether codes are out of date, and no night keeps any: set table.items.until"


class WidthsReview(_OfOneNetwork):
    """Experimental. Which numbers of an embedding do rows use that are read often, or seldom? Proposes the recipe with those alone.

    Raises:
        ValueError: if the shares of the groups make no whole.
    """

    kind: Literal["widths"] = "widths"
    keep: Number = Field(default=0.25, gt=0, lt=1)
    """share of the numbers of grouped rows that are kept"""
    shares: tuple[Share, ...] = Field(default=(0.4, 0.3, 0.2, 0.1), min_length=1, max_length=16)
    """groups of a field's rows, from those that are read least"""
    least_rows: Whole = Field(default=100, ge=1, le=10**9)
    """rows of a field without which it is not grouped"""
    score: Literal["alpha", "absorbed"] = "alpha"
    """what numbers are kept by: their factor, or factor times weight"""
    epochs: Steps = 3
    """passes over the search's fit days in which weights and factors take steps in turn, after a fit as usual"""
    rate: StepSize = 0.01
    """step size of factors"""
    l1: Number = Field(default=1e-5, ge=0, le=1)
    """pull of every factor towards 0"""
    seed: Seed = 0
    """of the search; fits that judge what it found have those of tuning.confirmation_seeds"""

    @model_validator(mode="after")
    def _whole(self) -> "WidthsReview":
        if not np.isclose(sum(self.shares), 1):
            raise ValueError(f"shares {list(self.shares)} are parts of the rows of a field: they must sum to 1")
        return self


ReviewConfig = Annotated[PruneReview | ScalingReview | CodesReview | WidthsReview, Field(discriminator="kind")]
