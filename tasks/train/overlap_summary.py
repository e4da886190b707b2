"""`overlap.json`: what the propensities of a recipe can carry, on the days of the fit and on the validation day."""

from typing import Literal, NamedTuple

from pydantic import Field

from models.propensity.diagnostics import ReliabilityBin
from tasks.core.document import Document

FILE = "overlap.json"


class WeightSummary(Document):
    """Weights of the observed rows; what is undefined without rows is None."""

    ess: float
    """Effective sample size, (sum w)^2 / sum w^2."""
    largest: float | None
    top_share: float | None
    """Share of all weight that the top 1 % of rows hold."""
    mean: float | None


class WeightBin(Document):
    """Observed rows with weights of like size."""

    start: float = Field(alias="from")
    end: float | None = Field(alias="to")
    """None in the last bin, which is open."""
    rows: float
    """Share of the observed rows."""
    weight: float
    """Share of all weight."""


class FeatureDifference(NamedTuple):
    """Standardised mean difference of one feature, observed rows against the population."""

    feature: str
    before: float
    after: float


class SplitOverlap(Document):
    """Diagnostics of one split.

    What needs D is None at selection `impression`, where D beyond the impressions is unknown; there features are compared
    with the rows exposed at random, if any. What needs propensities of unobserved rows is None where the model has none.
    """

    observed: int
    """Observed rows."""
    random: int
    """Rows exposed at random."""
    population: float | None
    """Rows of D."""
    expected_observed: float | None
    clipped: float | None
    """Share of observed rows whose propensity lies below the clip."""
    mean_inverse: float | None
    """mean_D(o / p), 1 where propensities are right."""
    weights: WeightSummary
    before_clipping: WeightSummary
    ess_share: float | None
    """Effective sample size over observed rows."""
    histogram: tuple[WeightBin, ...]
    ece: float | None
    """Expected calibration error."""
    reliability: tuple[ReliabilityBin, ...]
    compared_with: Literal["population", "random rows"] | None
    balance: tuple[FeatureDifference, ...] | None
    """Features, the largest difference after weighting first."""
    bmse: float | None
    """Balance mean squared error, 0 where propensities are right."""


class OverlapSplits(Document):
    """Fit days show the weights of training, the validation day how the same propensities do on rows not fitted on."""

    fit: SplitOverlap
    validation: SplitOverlap


class Overlap(Document):
    """`overlap.json`."""

    splits: OverlapSplits
    warnings: tuple[str, ...]
    """Sentences about the fit days."""
    largest_difference: float
    """Standardised mean difference beyond which a feature is far from the population."""
