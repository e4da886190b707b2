"""What a night forecasts and what then was measured: the record that the stage `forecast` writes and the ledger keeps.

It goes into the event of the night, so that later nights know how far off forecasts were.
"""

import datetime as dt
from collections.abc import Mapping
from typing import Literal

from tasks.core.document import Document

FILE = "forecast.json"
NORMAL_90 = 1.6448536269514722
"""Half the width of a 90 % interval of a normal law, in standard deviations."""

Series = Literal["forecast", "nowcast"]
Metric = Literal["xauc", "seconds", "skip_rate"]


class Served(Document):
    """A model by what the night that made it and every later night know of it."""

    recipe: str
    recipe_hash: str
    made: dt.date
    """night that fitted it"""


class Bounds(Document):
    """A number before it is known, with its 90 % interval."""

    raw: float
    """before the mean error of earlier nights was taken off; what later errors are taken of"""
    value: float
    half_width: float

    @property
    def lower(self) -> float:
        """Lower end."""
        return self.value - self.half_width

    @property
    def upper(self) -> float:
        """Upper end."""
        return self.value + self.half_width

    def holds(self, realised: float) -> bool:
        """Whether the interval holds what came."""
        return self.lower <= realised <= self.upper

    def z(self, realised: float) -> float:
        """Return what came minus what was said, in standard deviations as the interval tells them; 99 at most."""
        gap = realised - self.value
        deviation = max(self.half_width / NORMAL_90, abs(gap) / 99)
        return gap / deviation if deviation else 0.0


class Coverage(Document):
    """How many intervals held what came."""

    held: int
    judged: int


class Alarm(Document):
    """What came otherwise than chance explains."""

    series: Series
    metric: Metric
    z: float
    """came minus said, in standard deviations"""
    why: Literal["far", "repeated"]
    """once by more than ever happens, or twice in three nights"""


class NightForecast(Document):
    """`forecast.json`: what a night says of the day to come, and how what was said of its own day came true."""

    night: dt.date
    served: Served | None
    """model that served the night's day; None where there was none, or it could not be scored"""
    realised: Mapping[Metric, float]
    """of the night's day; XAUC of the model that served it"""
    forecast: Mapping[Metric, Bounds]
    """of the night's day, as the night before had it; XAUC only where that was of the model that served"""
    nowcast: Mapping[Metric, Bounds]
    """of the night's day, its impressions known and its labels not used"""
    day: dt.date
    """the day to come"""
    serves: Served | None
    """model that serves it; None where nothing does"""
    reached: float | None
    """XAUC of that model on the night's own day"""
    rows: float | None
    """impressions expected"""
    tomorrow: Mapping[Metric, Bounds]
    """of the day to come"""
    coverage: Mapping[Series, Mapping[Metric, Coverage]]
    """of the 90 % intervals of the last nights, this one included"""
    notes: tuple[str, ...]
    """what is not forecast, and why"""
    alarms: tuple[Alarm, ...]
    """on the night's day; they decide nothing"""

    def bounds(self, series: Series) -> Mapping[Metric, Bounds]:
        """Return one series' numbers of the night's day."""
        return self.forecast if series == "forecast" else self.nowcast
