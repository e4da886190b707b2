"""Which days a run reads for what. The run key `as_of` (night T) fixes all of them; no clock is ever read.

A night fits on [T-W, T-2], stops early and calibrates on T-1, judges on T and serves T+1. Features of a day look back
`lookback` days, so the source is read from T-W-lookback on.
"""

import datetime as dt
import itertools
from collections.abc import Mapping
from dataclasses import dataclass, replace
from zoneinfo import ZoneInfo

from tasks.core.errors import ConfigError

_DAY = dt.timedelta(days=1)
HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS


def midnight_ms(day: dt.date, timezone: str) -> int:
    """Return the start of a local day in UTC milliseconds."""
    return round(dt.datetime.combine(day, dt.time(), ZoneInfo(timezone)).timestamp() * 1_000)


@dataclass(frozen=True)
class Days:
    """The roles of the days of one run.

    Attributes:
        fit: days the models are fitted on, in order.
        validation: the day of early stopping, calibration and every choice.
        judge: day(s) of the verdict; they select nothing.
        lookback: days of history that features may use.
        frozen_from: features of this day and later use the state as it stood before this day began (protocol R0);
            None: each day uses what was known before it began.
        gaps: days that a person accepted to be without rows, with the reason; nothing is read of them.
    """

    fit: tuple[dt.date, ...]
    validation: dt.date
    judge: tuple[dt.date, ...]
    lookback: int
    frozen_from: dt.date | None = None
    gaps: tuple[tuple[dt.date, str], ...] = ()

    def __post_init__(self) -> None:
        ordered = [*self.fit, self.validation, *self.judge]
        if not self.fit or not self.judge:
            raise ConfigError(f"a run needs fit and judge days, got fit {self.fit} and judge {self.judge}")
        if any(later <= earlier for earlier, later in itertools.pairwise(ordered)):
            raise ConfigError(f"fit, validation and judge days must follow each other in time, got {ordered}")

    @classmethod
    def of_night(cls, as_of: dt.date, fit_days: int, lookback: int) -> "Days":
        """Return the days of night `as_of` with a fit window of `fit_days` (W - 1) days ending at T-2."""
        fit = tuple(as_of - (fit_days + 1 - i) * _DAY for i in range(fit_days))
        return cls(fit, as_of - _DAY, (as_of,), lookback)

    @property
    def modelled(self) -> tuple[dt.date, ...]:
        """Days whose rows are examples: fit, validation and judge."""
        return (*self.fit, self.validation, *self.judge)

    @property
    def read(self) -> tuple[dt.date, ...]:
        """Every day to read from the source, but for accepted gaps: the lookback, then the modelled days."""
        first, last = self.fit[0] - self.lookback * _DAY, self.judge[-1]
        days, gaps = (first + i * _DAY for i in range((last - first).days + 1)), dict(self.gaps)
        return tuple(day for day in days if day not in gaps)

    @property
    def serve(self) -> dt.date:
        """The day the winner serves."""
        return self.judge[-1] + _DAY

    def state_day(self, day: dt.date) -> dt.date:
        """Return the day before whose beginning the features of `day` stop looking."""
        return day if self.frozen_from is None else min(day, self.frozen_from)

    @property
    def frozen(self) -> bool:
        """Whether all judge rows see the state of one morning: there is one judge day, or features are frozen at the first."""
        return len({self.state_day(day) for day in self.judge}) == 1

    def since(self, first_day: dt.date) -> "Days":
        """Drop fit days before the source begins.

        Raises:
            ConfigError: if fewer than two fit days remain.
        """
        fit = tuple(day for day in self.fit if day >= first_day)
        if len(fit) < 2:
            raise ConfigError(
                f"night {self.judge[-1]} needs at least 2 fit days up to {self.fit[-1]}, but the source begins on {first_day}: "
                f"choose as_of {first_day + 3 * _DAY} or later"
            )
        return replace(self, fit=fit)

    def without(self, gaps: Mapping[dt.date, str]) -> "Days":
        """Take accepted gaps out: days without rows, to learn from or to look back on.

        Args:
            gaps: day -> why it is missing; those that the run does not read say nothing.

        Raises:
            ConfigError: if the validation or a judge day is one of them, or fewer than two fit days remain.
        """
        for day in (self.validation, *self.judge):
            if day in gaps:
                raise ConfigError(
                    f"night {self.judge[-1]} cannot do without {day}, which window.accepted_gaps names ({gaps[day]}): its "
                    f"validation and judge days must hold rows; choose as_of {day + 2 * _DAY} or later, or {day - _DAY} or earlier"
                )
        fit = tuple(day for day in self.fit if day not in gaps)
        if len(fit) < 2:
            raise ConfigError(
                f"night {self.judge[-1]} needs at least 2 fit days, and window.accepted_gaps leaves {len(fit)} of "
                f"{self.fit[0]} to {self.fit[-1]}: choose another as_of, or raise window.fit_days"
            )
        return replace(self, fit=fit, gaps=tuple((day, gaps[day]) for day in self.read if day in gaps))
