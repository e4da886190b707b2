"""The forecast: what the day to come will show, before anything of it is known.

Source: docs/methods/forecast.md#forecast.
"""

import math
from collections.abc import Sequence
from statistics import fmean, stdev

from tasks.forecast.intervals import bounds, errors
from tasks.forecast.measured import DayTotals, JudgedRows
from tasks.registry.forecast import Bounds, Metric, NightForecast, Served

WEEK = 7
"""Days that a forecast is the mean of."""


def tomorrow(
    serving: JudgedRows, levels: Sequence[float], week: Sequence[DayTotals], past: Sequence[NightForecast]
) -> dict[Metric, Bounds]:
    """Return XAUC, seconds watched and skip rate of the day to come.

    Args:
        serving: predictions of the model that serves it, on the night's day.
        levels: `carried` XAUC of the last days.
        week: totals of the last days.
        past: records of earlier nights.
    """
    rows, seconds = sum(day.rows for day in week), math.fsum(day.seconds for day in week)
    expected_rows = rows / len(week)
    said: dict[Metric, float] = {
        "xauc": fmean(levels),
        "seconds": seconds / rows * expected_rows,
        "skip_rate": sum(day.skips for day in week) / rows,
    }
    days: dict[Metric, int] = {"xauc": len(levels), "seconds": len(week), "skip_rate": len(week)}
    between = between_nights(levels, week)
    sampling = serving.errors(round(expected_rows))
    return {
        metric: bounds(
            value,
            errors(past, "forecast", metric),
            sampling[metric] * math.sqrt(1 + 1 / days[metric]),
            between.get(metric, 0.0),
        )
        for metric, value in said.items()
        if math.isfinite(value + sampling[metric])
    }


def carried(reached: float, served: Served | None, came: float | None, past: Sequence[NightForecast]) -> list[float]:
    """Return XAUC of the last days as the model that serves next would have had it, the night's own day first.

    What the model of an earlier day reached is moved by the paired differences of the nights since then on which another took
    its place. The line ends at a model that served although the night before had chosen another, or none.

    Args:
        reached: of the model that serves next, on the night's day.
        served: the model that served that day; None: the line begins here.
        came: what that reached.
        past: records of earlier nights, oldest first.
    """
    levels, moved = [reached], 0.0
    for before in reversed(past):
        if served is None or came is None or before.serves != served or before.reached is None or len(levels) == WEEK:
            break
        moved += reached - came
        levels.append(before.reached + moved)
        reached, served, came = before.reached, before.served, before.realised.get("xauc")
    return levels


def between_nights(levels: Sequence[float], week: Sequence[DayTotals]) -> dict[Metric, float]:
    """Return the standard deviation of each metric between days; those of one day are left out."""
    found: dict[Metric, Sequence[float]] = {
        "xauc": levels,
        "seconds": [day.seconds for day in week],
        "skip_rate": [day.skip_rate for day in week],
    }
    return {metric: stdev(values) for metric, values in found.items() if len(values) > 1}
