"""How the numbers of nights went: one chart each, from what is kept of every night for good."""

import datetime as dt
from collections.abc import Callable, Iterator, Mapping, Sequence

from tasks.night.headline import Headline
from tasks.report import charts
from tasks.report.formatting import defined, measure, plural
from tasks.report.operations import Operations
from tasks.report.view import Chart, Charts, Section, Text


def trends(headlines: Sequence[Headline], operations: Mapping[dt.date, Operations]) -> Section:
    """Return the section.

    Args:
        headlines: what is kept of nights, oldest first.
        operations: night -> how it went, of those that are still archived.
    """
    drawn = [*_metrics(headlines), *_data(headlines), *_cost(operations)]
    text = (
        "Metrics are those of the judge day, of the model that serves after it, with 95 % intervals over users. "
        "A gap is a night that came to no decision. Times are those of nights that are still archived."
    )
    return Section(
        "trends", "Trends", (Text(text), Charts(tuple(drawn))) if drawn else (Text("No night has been decided yet."),)
    )


def _metrics(headlines: Sequence[Headline]) -> Iterator[Chart]:
    names = dict.fromkeys(name for headline in headlines for name in headline.metrics)
    for name in names:
        found = {h.as_of: h.metrics[name] for h in headlines if name in h.metrics and defined(h.metrics[name].value)}
        if not found:
            continue
        how = measure(name)
        values = [number.value or 0.0 for number in found.values()]
        bands = [(number.low or 0.0, number.high or 0.0) for number in found.values()]
        unit = f", {how.unit}" if how.unit else ""
        said = f"{how.label} of {plural(len(found), 'night')}, the last {values[-1]:.{how.digits}f}"
        yield Chart(f"{how.label}.", charts.over_days(list(found), values, how.label + unit, said, bands))


def _data(headlines: Sequence[Headline]) -> Iterator[Chart]:
    yield from _one(headlines, "Rows of the judge day", "rows", lambda h: float(h.rows))
    yield from _one(headlines, "Share in quarantine", "%", lambda h: 100 * h.quarantined / h.rows if h.rows else None)
    yield from _one(headlines, "Largest drift of a column", "PSI", lambda h: max(h.drift.values(), default=None))


def _one(
    headlines: Sequence[Headline], caption: str, unit: str, number: Callable[[Headline], float | None]
) -> Iterator[Chart]:
    found = {headline.as_of: value for headline in headlines if defined(value := number(headline))}
    yield from _chart(found, caption, unit)


def _cost(operations: Mapping[dt.date, Operations]) -> Iterator[Chart]:
    ran = {
        night: [went.timings[name] for name, how in went.stages.items() if how == "ran" and name in went.timings]
        for night, went in sorted(operations.items())
    }
    seconds = {night: sum(stage.seconds for stage in stages) for night, stages in ran.items() if stages}
    yield from _chart(seconds, "Time of the stages that ran", "s")
    cpu = {night: sum(stage.cpu_seconds for stage in stages) for night, stages in ran.items() if stages}
    yield from _chart(cpu, "CPU time of the stages that ran", "CPU-s")
    peaks = {night: max(stage.peak_mib for stage in stages) for night, stages in ran.items() if stages}
    yield from _chart(peaks, "Peak memory of a stage", "MiB")


def _chart(found: Mapping[dt.date, float], caption: str, unit: str) -> Iterator[Chart]:
    if found:
        days, values = list(found), list(found.values())
        said = f"{caption} of {plural(len(days), 'night')}, the last {values[-1]:,.4g} {unit}"
        yield Chart(f"{caption}.", charts.over_days(days, values, unit, said))
