"""What goes wrong between the event and the log: late rows, exact duplicates and dirt, at stated rates."""

import numpy as np
from numpy.typing import NDArray

from tasks.core.days import HOUR_MS
from tasks.simulate.config import SimulatorConfig
from tasks.simulate.counters import Ids
from tasks.simulate.events import Columns

UNKNOWN_SCENE = 99
KINDS = ("duration", "watch", "flag", "scene", "future")
"""the five kinds of dirt, in equal parts"""
_LATEST_HOURS = 4


def logged_at(config: SimulatorConfig, event_time_ms: Ids, last_ms: int, rng: np.random.Generator) -> Ids:
    """Return when each row was in the log: the end of the logging hour, some hours late for some rows.

    Args:
        config: the share of late rows.
        event_time_ms: of rows of one hour.
        last_ms: the end of the arrival day; a row that would be later is on time.
        rng: the only source of chance.
    """
    on_time = event_time_ms - event_time_ms % HOUR_MS + HOUR_MS
    delay = np.where(rng.random(len(on_time)) < 0.99, 1, rng.integers(2, _LATEST_HOURS, size=len(on_time)))
    late = on_time + HOUR_MS * delay
    is_late = (rng.random(len(on_time)) < config.late_share) & (late <= last_ms)
    return np.where(is_late, late, on_time)


def soil(config: SimulatorConfig, columns: Columns, rng: np.random.Generator) -> Columns:
    """Break some rows, each in one way, and add exact copies of some rows; the copies stand at the end."""
    count = len(columns["user_id"])
    kind = np.where(rng.random(count) < config.dirt_share, rng.integers(len(KINDS), size=count), -1)
    columns = dict(columns)
    columns["duration_ms"] = _replace(columns["duration_ms"], kind == 0, 0)
    columns["watch_ms"] = np.where(kind == 1, -1 - columns["watch_ms"].astype(np.int64), columns["watch_ms"])
    columns["like"] = _replace(columns["like"], kind == 2, 2)
    columns["scene"] = _replace(columns["scene"], kind == 3, UNKNOWN_SCENE)
    ahead = columns["known_at_ms"].astype(np.int64) + rng.integers(24 * HOUR_MS, 72 * HOUR_MS, size=count)
    columns["event_time_ms"] = np.where(kind == 4, ahead, columns["event_time_ms"])
    copied = np.flatnonzero(rng.random(count) < config.duplicate_share)
    return {name: np.concatenate([values, values[copied]]) for name, values in columns.items()}


def _replace(values: NDArray[np.generic], where: NDArray[np.bool_], by: int) -> NDArray[np.generic]:
    result = values.copy()
    result[where] = by
    return result
