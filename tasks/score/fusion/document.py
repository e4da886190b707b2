"""`fusion.json`: the fusion that serves, what it was fitted to, and what others would have done for other costs of a skip."""

from typing import Literal

from tasks.core.document import Document
from tasks.evaluate.document import MeasuredNumber
from tasks.score.fusion.config import FittedChoice
from tasks.score.fusion.fit import Sign
from tasks.score.fusion.serving import ServingFusion

FILE = "fusion.json"
Exposure = Literal["logged", "random"]


class FusedObjective(Document):
    """A task that enters the fused score."""

    name: str
    sign: Sign
    """1 raises the score, -1 lowers it."""


class FusionDays(Document):
    """ISO dates."""

    fitted: tuple[str, ...]
    judged: tuple[str, ...]


class SearchResult(Document):
    """Worth of lists on the day of the fit, in seconds."""

    utility: float
    plain_utility: float
    """Of the lists that the watch-time score alone orders."""
    trials: int
    """Rankings tried; 0 where nothing is searched."""


class ListDifference(MeasuredNumber):
    """A metric of list heads with its paired difference to the plain score."""

    delta: float | None
    delta_low: float | None
    delta_high: float | None


class SweptFusion(SearchResult):
    """A fusion fitted for one cost of a skip, on the judge day."""

    skip: float
    """Seconds that a skip costs."""
    metrics: dict[str, ListDifference]
    """`wt@k` in seconds; `<label>@k`, shares."""


class JudgedOrder(Document):
    """Orders of the judge day's lists under one exposure."""

    rows: int
    plain: dict[str, MeasuredNumber]
    """Metrics of the watch-time score alone."""
    sweep: tuple[SweptFusion, ...]


class FusionDocument(Document):
    """`fusion.json`."""

    model: str
    seed: int
    config: FittedChoice
    tasks: tuple[FusedObjective, ...]
    days: FusionDays
    fitted: SearchResult
    fusion: ServingFusion
    exposures: dict[Exposure, JudgedOrder]
