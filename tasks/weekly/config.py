"""What `dwell weekly` looks into: the reviews of `params.yaml`, by name."""

from collections.abc import Collection, Iterator
from typing import Annotated, Literal

from pydantic import Field

from models.ranges import Number, Seeds, Whole
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


ReviewConfig = Annotated[PruneReview | ScalingReview | CodesReview, Field(discriminator="kind")]
