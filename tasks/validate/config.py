"""Which rules validation applies, and where their limits lie."""

import datetime as dt
from typing import Literal

from pydantic import Field, model_validator

from tasks.core.settings import Block

RowRuleName = Literal[
    "null_key",
    "implausible_time",
    "exact_duplicate",
    "key_duplicate",
    "negative_watch",
    "bad_flag",
    "unknown_scene",
    "unknown_policy",
    "bad_exposure",
    "future_event",
    "wrong_day",
    "zero_duration",
    "impossible_length",
    "impossible_play",
    "missing_user",
    "missing_video",
    "duration_range",
]
"""Row rules that may quarantine, in order of priority; `tasks.validate.row_rules.ROW_RULES` says what each one means."""

TableRuleName = Literal[
    "min_rows", "quarantined_share", "plausible", "all_null_column", "freshness", "volume", "null_share", "drift"
]
"""Table rules that a person may accept for a day; the others state the contract, which no day may break."""

DriftColumn = Literal["watch", "duration", "scene", "policy", "delay", "click", "long_view"]


class DurationRange(Block):
    """A named filter: rows of shorter and longer videos are set aside. Its name stands in every report.

    A video lasts whole seconds here, the milliseconds cut off: 400.3 s is within 5 to 400.
    """

    min_s: int = Field(default=5, ge=0)
    """shortest video kept, in whole seconds"""
    max_s: int = Field(default=400, ge=1)
    """longest video kept, in whole seconds"""

    @model_validator(mode="after")
    def _ordered(self) -> "DurationRange":
        if self.min_s > self.max_s:
            raise ValueError(f"min_s must not exceed max_s, got {self.min_s} > {self.max_s}")
        return self

    @property
    def name(self) -> str:
        """The filter's name, for example 'duration_5_400s'."""
        return f"duration_{self.min_s}_{self.max_s}s"

    @property
    def limits_ms(self) -> tuple[int, int]:
        """The shortest and the longest duration kept, in milliseconds."""
        return self.min_s * 1000, self.max_s * 1000 + 999


class RowRulesConfig(Block):
    """What sends a single row to quarantine. A change here makes every validated partition anew."""

    off: tuple[RowRuleName, ...] = ()
    """rules that are not applied"""
    duration_range: DurationRange | None = DurationRange()
    """the named duration filter; null keeps every positive duration"""
    known_scenes: tuple[int, ...] | None = None
    """scenes that exist; null: those that source.json lists under `scenes`, or else any that is not negative"""
    max_play_ratio: float | None = Field(default=None, gt=1)
    """plays longer than so many durations are impossible; null: replays without limit"""


class MendConfig(Block):
    """Values of the side tables that only stand for "not known"; they become 'unknown', and each is counted."""

    sentinels: dict[str, tuple[str, ...]] = Field(default={"is_live_streamer": ("-124",)})
    """column of users or videos -> values that mean "not known" """
    unknown_levels: tuple[str, ...] = ("UNKNOWN",)
    """levels of any categorical column that mean "not known" """


class Limits(Block):
    """Two limits of one measure: beyond the first a person is told, beyond the second the run stops."""

    warn: float = Field(ge=0)
    """beyond: a warning in the report"""
    stop: float = Field(ge=0)
    """beyond: the run stops"""

    @model_validator(mode="after")
    def _ordered(self) -> "Limits":
        if self.stop < self.warn:
            raise ValueError(f"stop must not be below warn, got warn={self.warn} stop={self.stop}")
        return self


class Expected(Block):
    """Where a measure of a day lies in any log: outside, a person is told; by more than a factor of ten, the run stops."""

    low: float = Field(gt=0)
    """least"""
    high: float = Field(gt=0)
    """most"""

    @model_validator(mode="after")
    def _ordered(self) -> "Expected":
        if self.high < self.low:
            raise ValueError(f"high must not be below low, got low={self.low} high={self.high}")
        return self


class PlausibleConfig(Block):
    """What a day's rows are expected to look like, whatever the source: a wrong unit or mapping does not."""

    duration_s: Expected = Expected(low=3, high=600)
    """median duration of the rows, in seconds"""
    watch_s: Expected = Expected(low=0.5, high=300)
    """median watch time of the rows that were played, in seconds"""
    play_ratio: Expected = Expected(low=0.05, high=5)
    """median of watch over duration of the rows that were played; a factor of a thousand is a unit"""
    longer_share: float = Field(default=0.9, gt=0, le=1)
    """share of rows played for longer than the video lasts, beyond which a person is told"""
    distinct_times: float = Field(default=0.1, ge=0, le=1)
    """distinct event times per row (or per second of the day, where there are more rows), below which a person is told"""
    min_ids: int = Field(default=2, ge=1)
    """distinct users, and distinct videos, below which a person is told"""
    min_played: int = Field(default=100, ge=1)
    """with fewer rows played medians and shares are noise and are not judged"""


class Accepted(Block):
    """A day that is as it should be although a table rule says otherwise."""

    day: dt.date
    """the day, quoted in YAML"""
    rule: TableRuleName
    """the rule that does not stop this day"""
    because: str = Field(min_length=1)
    """why; it stands in the report"""


class TableRulesConfig(Block):
    """What stops the run. A change here costs no partition, only the verdicts."""

    min_rows: int = Field(default=100, ge=1)
    """rows of a day that must remain after quarantine"""
    max_quarantined_share: float = Field(default=0.2, gt=0, le=1)
    """share of a day's rows that may be quarantined"""
    freshness_hours: float = Field(default=2, gt=0)
    """the newest row must have arrived at most so long before the day's end"""
    trailing_days: int = Field(default=7, ge=1)
    """days that a day is held against"""
    min_trailing_days: int = Field(default=2, ge=1)
    """with fewer days before it a day is not held against them"""
    min_drift_rows: int = Field(default=1_000, ge=1)
    """with fewer rows drift and null shares are noise and are not judged"""
    plausible: PlausibleConfig = PlausibleConfig()
    """what any log looks like"""
    volume: Limits = Limits(warn=2, stop=5)
    """factor by which a day's rows may exceed, or fall short of, the median of the trailing days"""
    null_share: Limits = Limits(warn=0.05, stop=0.3)
    """change of a column's share of nulls against the trailing days"""
    drift: Limits = Limits(warn=0.1, stop=0.5)
    """population stability index of a column against the trailing days"""
    drift_columns: tuple[DriftColumn, ...] = ("watch", "duration", "scene", "policy", "delay", "click", "long_view")
    """distributions that are watched"""
    may_be_null: tuple[str, ...] = (
        "position",
        "exposure_probability",
        "long_view",
        "author_id",
        "upload_time_ms",
        "duration_ms",
        "music_id",
        "tag",
    )
    """columns that a source may leave null in every row"""
    accept: tuple[Accepted, ...] = ()
    """days that a person has looked at and lets pass"""


class ValidationConfig(Block):
    """The `validation` block of `params.yaml`."""

    rows: RowRulesConfig = RowRulesConfig()
    """row rules: quarantine"""
    mend: MendConfig = MendConfig()
    """what is mended in users and videos"""
    tables: TableRulesConfig = TableRulesConfig()
    """table rules: stop the run"""
