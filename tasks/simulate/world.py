"""The simulated calendar: when days begin, and which users and videos are alive on them.

On day t (0 is the first) the users with ids `[(t+1)·n, (t+1)·n + users)` are alive, n being the arrivals of a day, and
likewise the videos.
"""

import datetime as dt
from enum import IntEnum, auto
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl

from tasks.core.days import DAY_MS
from tasks.core.errors import ConfigError
from tasks.simulate.config import SimulatorConfig
from tasks.simulate.counters import Ids


class Stream(IntEnum):
    """One stream of hashed numbers for every attribute."""

    SEGMENT = auto()
    SEGMENT_FACTORS = auto()
    USER_FACTORS = auto()
    ACTIVITY = auto()
    USER_EFFECT = auto()
    PATIENCE = auto()
    SEGMENT_LABEL = auto()
    DEVICE = auto()
    AUTHOR = auto()
    AUTHOR_FACTORS = auto()
    AUTHOR_EFFECT = auto()
    AUTHOR_TOPIC = auto()
    TOPIC = auto()
    SECOND_TOPIC = auto()
    TOPIC_FACTORS = auto()
    TOPIC_EFFECT = auto()
    VIDEO_FACTORS = auto()
    QUALITY = auto()
    POPULARITY = auto()
    DURATION_KIND = auto()
    DURATION = auto()
    UPLOAD = auto()
    MUSIC = auto()
    FORMAT = auto()
    CAPTION_MAP = auto()
    CAPTION_NOISE = auto()
    BOREDOM_PHASE = auto()
    BOREDOM = auto()
    RELATION = auto()
    CONTENT_EFFECT = auto()
    OPENNESS = auto()
    AGE_BAND = auto()
    CONSENT = auto()
    CONSENT_TIME = auto()
    WITHDRAWAL = auto()


def day_index(config: SimulatorConfig, day: dt.date) -> int:
    """Return how many days after the first `day` is.

    Raises:
        ConfigError: if it lies before the first day.
    """
    index = (day - config.start_day).days
    if index < 0:
        raise ConfigError(
            f"the simulated log begins on {config.start_day}: there is no day {day}; choose a later as_of"
        )
    return index


def midnight_ms(config: SimulatorConfig, index: int) -> int:
    """Return when day `index` begins, in milliseconds since 1970 UTC."""
    start = dt.datetime.combine(config.start_day, dt.time(), ZoneInfo(config.timezone))
    return int(start.timestamp()) * 1000 + index * DAY_MS


def alive_users(config: SimulatorConfig, index: int) -> Ids:
    """Return the ids of the users alive on a day, sorted."""
    first = (index + 1) * config.new_users_per_day
    return np.arange(first, first + config.users, dtype=np.int64)


def alive_videos(config: SimulatorConfig, index: int) -> Ids:
    """Return the ids of the videos that can be shown on a day, sorted."""
    first = (index + 1) * config.new_videos_per_day
    return np.arange(first, first + config.videos, dtype=np.int64)


def labels(names: tuple[str, ...], codes: Ids) -> pl.Series:
    """Return names picked by code."""
    return pl.Series(list(names), dtype=pl.String).gather(codes)
