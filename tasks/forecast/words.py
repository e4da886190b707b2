"""Forecasts in words: what the summary of a night and its report print."""

from collections.abc import Iterator, Mapping
from typing import TypeVar

from tasks.registry.forecast import Alarm, Bounds, Metric, NightForecast, Series

T = TypeVar("T")
LABELS: Mapping[Metric, str] = {"xauc": "XAUC", "seconds": "seconds watched", "skip_rate": "skip rate"}
SERIES: Mapping[Series, str] = {
    "forecast": "what was forecast the night before",
    "nowcast": "what its impressions promised",
}


def in_order(values: Mapping[Metric, T]) -> Iterator[tuple[Metric, T]]:
    """Yield metrics in the order in which they are read; a ledger keeps none."""
    return ((metric, values[metric]) for metric in LABELS if metric in values)


def shown(metric: Metric, value: float, *, unit: bool = True) -> str:
    """Return a number with as many digits as are worth reading."""
    if metric == "skip_rate":
        return f"{100 * value:.1f}{' %' if unit else ''}"
    return f"{value:.4f}" if metric == "xauc" else f"{value:,.0f}{' s' if unit else ''}"


def interval(metric: Metric, said: Bounds) -> str:
    """Return "[lower, upper]"."""
    return f"[{shown(metric, said.lower, unit=False)}, {shown(metric, said.upper, unit=False)}]"


def alarm(record: NightForecast, found: Alarm) -> str:
    """Say what came otherwise than was said."""
    said, came = record.bounds(found.series)[found.metric], record.realised[found.metric]
    why = f"{abs(found.z):.1f} standard deviations off" if found.why == "far" else "outside 99 % on 2 of 3 nights"
    cause = "other than its impressions explain" if found.series == "nowcast" else "a day unlike the last"
    return (
        f"{LABELS[found.metric]} of {record.night}: {shown(found.metric, came)}, against {SERIES[found.series]}, "
        f"{shown(found.metric, said.value)} {interval(found.metric, said)}: {why}, {cause}"
    )


def summary(record: NightForecast) -> Iterator[str]:
    """Yield the lines that a person reads at the end of a night."""
    for found in record.alarms:
        yield f"warning: {alarm(record, found)}"
    parts = [
        f"{LABELS[metric]} {shown(metric, said.value)} {interval(metric, said)}"
        for metric, said in in_order(record.tomorrow)
    ]
    yield f"forecast of {record.day}: {', '.join(parts) or 'none'}"
