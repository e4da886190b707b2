"""The log that the features stage and its twins read, and what all of them have to make of it."""

import datetime as dt
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from tasks.config import load_params
from tasks.core.days import Days
from tasks.core.files import read_json
from tasks.core.labels import LABELS
from tasks.core.layout import Workspace
from tasks.core.run_key import load_run_key
from tasks.features.config import FeatureConfig, Statistic, Window
from tasks.features.state import column_names, label

KEYS = ("user_id", "video_id", "event_time_ms", "arrival_day")
"""Tell a row from all others."""
CARRIED = (*KEYS, "known_at_ms", "state_day", "scene", "duration_bucket", "duration_ms", "watch_ms", *LABELS)
"""What a row of a twin holds beside its dense columns."""


@dataclass(frozen=True)
class Log:
    """A log of clean impressions, whose groups ask for sums alone: no recency, and a list of tags is one key.

    Attributes:
        folder: that the stage `validate` leaves: `impressions/day=D/part.parquet`, `videos.parquet`, `source.json`.
        config: features to make.
        days: roles of the days.
    """

    folder: Path
    config: FeatureConfig
    days: Days

    @classmethod
    def of(cls, root: Path) -> "Log":
        """Return the log of the night that is prepared in a workspace."""
        workspace = Workspace(root)
        params = load_params(workspace.params)
        days = params.window.days(load_run_key(workspace.run_key).as_of)
        return cls(workspace.validated, params.features, days)

    @property
    def timezone(self) -> str:
        """Where days begin at midnight."""
        return str(read_json(self.folder / "source.json")["timezone"])

    @property
    def windows(self) -> list[Window]:
        """Every window of any group."""
        return list(dict.fromkeys(window for group in self.config.groups.values() for window in group.windows))

    @property
    def statistics(self) -> list[Statistic]:
        """Every statistic of any group."""
        return sorted({statistic for group in self.config.groups.values() for statistic in group.statistics})

    @property
    def group_keys(self) -> list[str]:
        """Every key of any group."""
        return sorted({key for group in self.config.groups.values() for key in group.keys})

    @property
    def dense(self) -> list[str]:
        """Columns of the groups, in order."""
        return [column for name, group in self.config.groups.items() for column in column_names(name, group)]

    def weights(self) -> pl.DataFrame:
        """Return what each arrival day weighs on the morning of each state day, by window: 1 or 0, or less with its age."""
        rows = []
        for state_day in self.days.read:
            for age in range(1, self.days.lookback + 1):
                day = state_day - dt.timedelta(days=age)
                rows.append(
                    {"day": day, "state_day": state_day} | {label(w): self._weight(w, age) for w in self.windows}
                )
        return pl.DataFrame(rows)

    def _weight(self, window: Window, age: int) -> float:
        return 0.5 ** (age / self.config.half_life_days) if window == "decayed" else float(age <= window)
