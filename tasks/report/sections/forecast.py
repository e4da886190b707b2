"""What is forecast of the day to come, what was said of today and what came, and how often intervals held it."""

from collections.abc import Iterator
from typing import get_args

from tasks.forecast.words import LABELS, alarm, in_order, interval, shown
from tasks.registry.forecast import Bounds, Metric, NightForecast, Series
from tasks.report.formatting import NOTHING, plural, sentence, share
from tasks.report.view import Cell, PageBlock, PageTable, Section, TableHead, TableRow, Text

_ABOUT = (
    "The forecast was made the night before. The nowcast knows the day's impressions and none of its labels: where it misses "
    "and the forecast did not have to, people behave otherwise than the model learnt. Both come with 90 % intervals, made of "
    "how far off earlier nights were once there are 14 of them. None of this decides anything."
)


def forecast(record: NightForecast) -> Section:
    """Return the section."""
    blocks: list[PageBlock] = [Text(_ABOUT)]
    blocks += [Text(sentence(alarm(record, found)), "warn") for found in record.alarms]
    blocks += [Text(sentence(note), "muted") for note in record.notes]
    if record.tomorrow and record.rows is not None:
        caption = f"Forecast of {record.day}, for {plural(round(record.rows), 'impression')}"
        heads = (TableHead("Metric"), TableHead("Forecast", "with 90 % interval", numeric=True))
        rows = tuple(
            TableRow((Cell(LABELS[metric]), _said(metric, said))) for metric, said in in_order(record.tomorrow)
        )
        blocks.append(PageTable(caption, heads, rows))
    if record.realised:
        blocks.append(_judged(record))
    return Section("forecast", "Forecast", tuple(blocks))


def _judged(record: NightForecast) -> PageTable:
    heads = (
        TableHead("Metric"),
        TableHead("Came", numeric=True),
        *(
            head
            for series in get_args(Series)
            for head in (TableHead(series.capitalize(), numeric=True), TableHead("Intervals that held", numeric=True))
        ),
    )
    rows = tuple(
        TableRow((Cell(LABELS[metric]), Cell(shown(metric, came), numeric=True), *_series(record, metric)))
        for metric, came in in_order(record.realised)
    )
    return PageTable(f"What was said of {record.night}, and what came", heads, rows)


def _series(record: NightForecast, metric: Metric) -> Iterator[Cell]:
    for series in get_args(Series):
        said = record.bounds(series).get(metric)
        yield (
            Cell(NOTHING, numeric=True, tone="muted") if said is None else _said(metric, said, record.realised[metric])
        )
        found = record.coverage.get(series, {}).get(metric)
        of_all = "" if found is None else f"{found.held} of {found.judged}"
        yield Cell(share(found.held, found.judged, 0) if found else NOTHING, of_all, numeric=True)


def _said(metric: Metric, said: Bounds, came: float | None = None) -> Cell:
    missed = came is not None and not said.holds(came)
    return Cell(shown(metric, said.value), interval(metric, said), numeric=True, tone="warn" if missed else "plain")
