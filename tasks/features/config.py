"""Which features are built. Cheap to import: no Polars."""

from typing import Literal

from pydantic import Field, field_validator, model_validator

from models.ranges import Number, Weight, Whole, WindowDays
from tasks.core.names import Word
from tasks.core.settings import Block

Key = Literal["user_id", "video_id", "author_id", "music_id", "tag", "scene", "duration_bucket"]
Statistic = Literal[
    "ratio", "percentile", "watch", "skip", "valid_play", "long_view", "finish",
    "click", "like", "follow", "comment", "forward", "hate", "profile_enter",
]  # fmt: skip
Window = WindowDays | Literal["decayed"]
Recency = Literal["last_seen", "last_watched", "last_skipped", "seen_before", "watched_before", "adjacent"]

_OTHER_STATES = {
    "request": "a time since until the request is longer in the evening than in the morning for no reason of the user's, and "
    "batches that are scored have no time of request",
    "live": "it holds the labels of earlier rows of the same day, which nobody has when the day's candidates are scored",
}

RATES: tuple[Statistic, ...] = ("ratio", "percentile", "skip", "valid_play", "long_view", "like")


class FeatureGroup(Block):
    """Aggregates of past impressions that share the values of some keys."""

    keys: tuple[Key, ...] = Field(min_length=1)
    """columns whose values an impression must share with the row it describes"""
    windows: tuple[Window, ...] = Field(default=("decayed",), min_length=1)
    """trailing windows in days, or 'decayed' for the whole lookback with exponentially falling weight"""
    statistics: tuple[Statistic, ...] = RATES
    """means to keep beside the count of every window"""
    prior_strength: Weight = 10.0
    """impressions' worth of the global mean of the same window that is mixed into every mean"""
    recency: tuple[Recency, ...] = Field(default=(), exclude_if=lambda names: not names)
    """of the whole lookback: time since the key was last shown (last_seen), played validly (last_watched) or skipped
    (last_skipped); how often it was shown (seen_before) and viewed long (watched_before), up to 3; whether the user's last event
    had the same key and was watched or skipped (adjacent)"""
    state: Literal["day_start"] = Field(default="day_start", exclude_if=lambda state: state == "day_start")
    """when recency stops looking and its clock stands: before the local day of the row"""

    @field_validator("state", mode="before")
    @classmethod
    def _known_before_the_day(cls, state: object) -> object:
        if isinstance(state, str) and state in _OTHER_STATES:
            raise ValueError(f"{state!r} is refused: {_OTHER_STATES[state]}; leave it out, or say day_start")
        return state

    @model_validator(mode="after")
    def _recency_is_usable(self) -> "FeatureGroup":
        if repeated := sorted({name for name in self.recency if self.recency.count(name) > 1}):
            raise ValueError(f"recency names {', '.join(repeated)} twice: name each once")
        if "adjacent" in self.recency and "user_id" not in self.keys:
            raise ValueError(
                f"recency: adjacent compares with the user's last event, and the keys {list(self.keys)} hold no user_id: add it, or "
                "leave adjacent out"
            )
        return self


def default_groups() -> dict[str, FeatureGroup]:
    """Return the groups of the reference table, entities over 1/3/7 days and decayed, pairs decayed."""
    trailing: tuple[Window, ...] = (1, 3, 7, "decayed")
    return {
        "user": FeatureGroup(keys=("user_id",), windows=trailing),
        "video": FeatureGroup(keys=("video_id",), windows=trailing),
        "author": FeatureGroup(keys=("author_id",), windows=trailing),
        "tag": FeatureGroup(keys=("tag",), windows=trailing),
        "scene": FeatureGroup(keys=("scene",), windows=trailing),
        "music": FeatureGroup(keys=("music_id",)),
        "user_scene": FeatureGroup(keys=("user_id", "scene")),
        "video_scene": FeatureGroup(keys=("video_id", "scene")),
        "user_tag": FeatureGroup(keys=("user_id", "tag")),
        "scene_duration": FeatureGroup(keys=("scene", "duration_bucket")),
        "duration": FeatureGroup(keys=("duration_bucket",)),
    }


class FeatureConfig(Block):
    """The features stage."""

    groups: dict[Word, FeatureGroup] = Field(default_factory=default_groups)
    """aggregates by name; `user` and `video` must be among them"""
    half_life_days: Number = Field(default=7.0, gt=0, le=3660)
    """age in days at which an impression counts half in 'decayed' windows"""
    history_length: Whole = Field(default=20, ge=1, le=1000)
    """recent events kept per user"""
    tags: Literal["joined", "each"] = "joined"
    """whether a comma-joined tag list is one key, or pools the impressions of each of its tags"""
    hour: Literal["event", "logged"] = "event"
    """hour feature: of the event, or of its logging (known only afterwards; for reference tables that used it)"""
    user_columns: tuple[str, ...] | Literal["all"] = "all"
    """String columns of the users table that become categorical features"""
    video_columns: tuple[str, ...] | Literal["all"] = "all"
    """further String columns of the videos table that become categorical features"""
    content: bool = Field(default=False, exclude_if=lambda carried: not carried)
    """whether the videos' content vectors are carried along, for `table.items` to learn codes from"""

    @model_validator(mode="after")
    def _groups_are_usable(self) -> "FeatureConfig":
        for name, keys in (("user", ("user_id",)), ("video", ("video_id",))):
            if name not in self.groups or self.groups[name].keys != keys:
                raise ValueError(
                    f"features.groups must hold {name!r} with keys {list(keys)}: it tells known from new ids"
                )
        return self

    @property
    def has_recency(self) -> bool:
        """Whether any column tells how long ago something was, so that its codes depend on the lookback."""
        return any(group.recency for group in self.groups.values())

    def too_long(self, lookback_days: int) -> list[str]:
        """Return one message for every group with a window that no run looks back on."""
        longest = {
            name: max((window for window in group.windows if isinstance(window, int)), default=0)
            for name, group in self.groups.items()
        }
        return [
            f"groups.{name}.windows: {days} days is longer than the lookback of {lookback_days} days: shorten the window or "
            "raise window.lookback_days"
            for name, days in longest.items()
            if days > lookback_days
        ]
