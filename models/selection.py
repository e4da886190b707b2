"""Which population a recipe learns about, and which part of it was observed (docs/methods/debias.md#selection-levels).

The level is stated, never mixed silently: a propensity, an imputation and a correlation mean different things at each.
"""

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from models.component import ComponentConfig
from models.ranges import Share, Weight


class ImpressionSelection(ComponentConfig):
    """D = O = the logged impressions: nothing is unobserved, weights can only re-balance what was shown."""

    kind: Literal["impression"] = "impression"


class ClickSelection(ComponentConfig):
    """D = impressions, O = clicked ones (level 2): every label but the click itself counts as seen after a click only."""

    kind: Literal["click"] = "click"


class CandidateSelection(ComponentConfig):
    """D = active users x videos of the pool of each day, O = impressions (level 1): unexposed pairs are sampled."""

    kind: Literal["candidate"] = "candidate"
    per_impression: Weight = 1.0
    """Unexposed pairs in a batch for every impression in it; they stand for all unexposed pairs, whatever their number."""
    shown_per_candidate: Share | None = Field(default=None, gt=0)
    """Share of the candidates of a list that are shown. Given, a pair of user and video that was not shown was a
    candidate with probability 1 - exp(-impressions of the user / (this share x videos of the day)) only, which
    `latent_exogenous` reads; null: every pair of a day was a candidate."""


if TYPE_CHECKING:
    SelectionConfig = ComponentConfig
else:
    SelectionConfig = Annotated[ImpressionSelection | ClickSelection | CandidateSelection, Field(discriminator="kind")]
