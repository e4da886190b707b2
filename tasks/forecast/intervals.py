"""How sure a forecast is, from how far off earlier ones were; and when what came is no chance.

Source: docs/methods/forecast.md#intervals and docs/methods/forecast.md#alarm.
"""

import math
from collections.abc import Sequence
from typing import get_args

import numpy as np

from tasks.registry.forecast import NORMAL_90, Alarm, Bounds, Coverage, Metric, NightForecast, Series

ENOUGH = 14
"""Nights from which earlier errors alone make the interval."""
LEVEL = 0.9
FAR, TOO_FAR = 2.5758293035489004, 4.0
"""|z| that may come once in a while, but not twice in three nights (99 %); and that may never come."""


def errors(past: Sequence[NightForecast], series: Series, metric: Metric) -> list[float]:
    """Return said minus came, oldest night first."""
    return [said.raw - came for said, came in _judged(past, series, metric)]


def bounds(raw: float, past_errors: Sequence[float], standard_error: float, between_nights: float) -> Bounds:
    """Return a forecast with its interval.

    Args:
        raw: what is said.
        past_errors: of the same series and metric.
        standard_error: of raw minus what will come, from users resampled; used while there are few errors.
        between_nights: spread between nights; used likewise.
    """
    if len(past_errors) < ENOUGH:
        return Bounds(raw=raw, value=raw, half_width=NORMAL_90 * math.hypot(standard_error, between_nights))
    error = np.array(past_errors)
    mean = float(error.mean())
    # The rank of conformal prediction: of n exchangeable errors, the next lies below the k-th smallest with chance k / (n + 1).
    rank = min(error.size, math.ceil(LEVEL * (error.size + 1)))
    return Bounds(raw=raw, value=raw - mean, half_width=float(np.sort(np.abs(error - mean))[rank - 1]))


def coverage(nights: Sequence[NightForecast]) -> dict[Series, dict[Metric, Coverage]]:
    """Return how many intervals held what came."""
    found: dict[Series, dict[Metric, Coverage]] = {}
    for series in get_args(Series):
        for metric in get_args(Metric):
            held = [said.holds(came) for said, came in _judged(nights, series, metric)]
            if held:
                found.setdefault(series, {})[metric] = Coverage(held=sum(held), judged=len(held))
    return found


def alarms(nights: Sequence[NightForecast]) -> list[Alarm]:
    """Return what the last night came out otherwise than chance explains.

    Args:
        nights: records, the last night's included.
    """
    found = []
    for series in get_args(Series):
        for metric in get_args(Metric):
            if metric not in nights[-1].bounds(series) or metric not in nights[-1].realised:
                continue
            z = [said.z(came) for said, came in _judged(nights, series, metric)][-3:]
            if abs(z[-1]) > TOO_FAR:
                found.append(Alarm(series=series, metric=metric, z=z[-1], why="far"))
            elif sum(abs(one) > FAR for one in z) >= 2:
                found.append(Alarm(series=series, metric=metric, z=z[-1], why="repeated"))
    return found


def _judged(nights: Sequence[NightForecast], series: Series, metric: Metric) -> list[tuple[Bounds, float]]:
    """Return what was said and what came, of the nights that hold both."""
    pairs = ((record.bounds(series).get(metric), record.realised.get(metric)) for record in nights)
    return [(said, came) for said, came in pairs if said is not None and came is not None]
