"""What the evaluation stage writes for others: `metrics.json`, `segments.json`, `served_value.json`, `debiased.json`."""

from dataclasses import asdict
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, PlainSerializer

from tasks.core.document import Document
from tasks.evaluate.config import EvaluationConfig
from tasks.evaluate.off_policy import ExposureOverlap
from tasks.evaluate.policy_value.log import Diagnostics
from tasks.evaluate.role import Role

SEGMENTS_FILE = "segments.json"
SERVED_VALUE_FILE = "served_value.json"
DEBIASED_FILE = "debiased.json"
Policy = Literal["logged", "uniform", "score"]
Quantity = Literal["seconds", "absolute_error"]
"""What is averaged under uniform exposure: seconds watched, and how far they are from the predicted median."""


def _weights_of(found: ExposureOverlap | None) -> dict[str, Any]:
    return {} if found is None else asdict(found)


WeightDiagnostics = Annotated[
    ExposureOverlap | None,
    BeforeValidator(lambda found: None if found == {} else found),
    PlainSerializer(_weights_of),
]
"""Diagnostics of importance weights; `{}` in the file where nothing was weighted."""


class MeasuredNumber(Document):
    """A number with its interval over users; what is undefined is None."""

    model_config = ConfigDict(from_attributes=True)

    value: float | None
    low: float | None
    high: float | None


class MetricEstimate(MeasuredNumber):
    """A metric averaged over seeds."""

    standard_error: float | None
    """From the sampling of users."""
    seed_sd: float | None
    """Standard deviation over seeds; None with one seed."""
    rows: int


class HeadlineMetric(MetricEstimate):
    """A metric of all rows."""

    per_seed: tuple[float | None, ...]
    groups: int
    dropped: int
    """Groups (or rows, as `reason` says) left out."""
    reason: str
    column: str
    """Prediction column that it reads."""
    higher_is_better: bool | None
    """None where neither direction is better."""


class ExposedMetrics(Document):
    """Main metrics under one exposure."""

    model_config = ConfigDict(from_attributes=True)

    rows: int
    metrics: dict[str, MetricEstimate]
    """Empty where `reason` says why."""
    diagnostics: WeightDiagnostics
    reason: str
    """Why there is no number; "" where there are numbers."""


class MeasuredSegment(Document):
    """Main metrics of one value of one segmentation."""

    model_config = ConfigDict(from_attributes=True)

    segment: str
    value: str
    rows: int
    users: int
    metrics: dict[str, MetricEstimate]
    """Empty where there are too few rows."""


class ModelMetrics(Document):
    """`metrics.json`."""

    name: str
    role: Role
    days: tuple[str, ...]
    """ISO dates."""
    rows: int
    users: int
    seeds: tuple[int, ...]
    metrics: dict[str, HeadlineMetric]
    random_exposure: dict[str, ExposedMetrics]
    """Exposure -> metrics; empty where the log tells about none but its own."""
    duration_edges_s: tuple[float, ...]
    warnings: tuple[str, ...]
    config: EvaluationConfig


class ServedEstimate(MeasuredNumber):
    """Seconds per impression under one policy, by one estimator."""

    standard_error: float | None
    estimator: str
    parameter: float | None
    """The lambda chosen; None where there is none, or where it is infinite."""
    diagnostics: Diagnostics
    reason: str
    """Why no verdict may rest on it; "": one may."""


class ServedValue(Document):
    """`served_value.json`."""

    rows: int
    """Rows with a logged probability."""
    top_share: float
    """Share of all videos that the valued policy draws from."""
    mean_weight: float
    policies: dict[Policy, dict[str, ServedEstimate]]
    """Policy -> estimator -> its value; `score` serves the top share of the model's scores."""


class LearnedPropensity(Document):
    """What one learner of the propensity says of the logged rows."""

    learner: str
    clipped_share: float
    mean_weight: float
    """Near 1 where it is right on average."""
    effective_rows: float


class LearnerPair(Document):
    """The estimate by one pair of learners."""

    propensity: str
    outcome: str
    value: float
    standard_error: float
    risk: float
    """Most that exchanging one of the two learners moves it."""


class DebiasedMean(MeasuredNumber):
    """A mean under uniform exposure, estimated from logged rows by learned propensities and outcomes."""

    standard_error: float
    """Of the sampling of users; the fitted learners are taken as given."""
    logged: MeasuredNumber
    """The mean of the logged rows themselves."""
    at_random: MeasuredNumber | None
    """That of the rows exposed at random, which needs no learner; None where there are none."""
    chosen: tuple[tuple[str, str], ...]
    """Learners of propensity and outcome: per half of the users, chosen on the other half."""
    swing: float
    moved_by: str
    """The learner that moves it most."""
    bound: float
    """What it may be moved by."""
    effective_rows: float
    reason: str
    """Why it does not count; "": it does."""
    pairs: tuple[LearnerPair, ...]


class PositionEffect(Document):
    """Seconds by one place further down, with the random slot as an instrument; None where there is no number."""

    rows: int
    random_rows: int
    p: float
    """Of the test that the random slot moves the variance of the place."""
    value: float | None
    standard_error: float | None
    reason: str
    """Why there is no value; "": there is one."""
    wald: float | None
    regression: float | None
    at_random: MeasuredNumber
    """The slope among the rows exposed at random alone."""


class Debiased(Document):
    """`debiased.json`."""

    rows: int
    """Logged rows."""
    random_rows: int
    videos: int
    """Drawn from uniformly."""
    reason: str
    """Why nothing is estimated; "": something is."""
    propensities: tuple[LearnedPropensity, ...]
    means: dict[Quantity, DebiasedMean]
    position: PositionEffect | None
    """None where the log has no places, or no rows exposed at random."""
