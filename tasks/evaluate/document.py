"""What the evaluation stage writes for others: `metrics.json`, `segments.json`, `served_value.json`."""

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
Policy = Literal["logged", "uniform", "score"]


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
