"""`trade_off.json`: accuracy and bias of a recipe with proxy priors, for values of t from 0 to 1."""

from typing import Literal

from tasks.core.document import Document
from tasks.evaluate.document import MeasuredNumber
from tasks.evaluate.role import Role

FILE = "trade_off.json"


class CurveEstimate(MeasuredNumber):
    """A number averaged over seeds."""

    seed_sd: float | None


class TradeOffPoint(Document):
    """What one t does for one target."""

    trade_off: float
    """t."""
    accuracy: CurveEstimate
    """XAUC of the score for watch time, AUC for a binary task."""
    bias: CurveEstimate
    """Spread of the error over duration deciles: seconds for watch time, a share for a binary task."""


class ExposedCurves(Document):
    """Curves on the rows of one exposure."""

    rows: int
    targets: dict[str, tuple[TradeOffPoint, ...]]
    """`watch_time` or a binary task -> one point per t."""


class TradeOffCurves(Document):
    """`trade_off.json`."""

    role: Role
    served: float
    """The t that serves."""
    seeds: tuple[int, ...]
    mean: Literal["mean", "score"]
    """What bias is measured on: the head's native mean, or its score in seconds where it has none."""
    exposures: dict[Literal["logged", "random"], ExposedCurves]
