"""What changed since the last night: the headline's difference, taken apart into the day's rows, its features, the model."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from tasks.evaluate.change import Chain, MetricChange
from tasks.evaluate.metrics.uncertainty import Interval
from tasks.report.formatting import NOTHING, defined, difference_cell, interval, measure, number
from tasks.report.view import Cell, PageTable, Section, TableHead, TableRow, Text

ABOUT = (
    "Data: the model of the night before on the newer day's rows, with features as they were known the morning before, less "
    "the same model on its own day. Features: this morning's instead. Model: what serves now instead of what served "
    "then, on the same rows. The parts add up to the change; their intervals are of users, who are the same in every part."
)
_COARSE = (
    "Predictions on the features of the morning before are not at hand, so data and features are one part. Model: what serves "
    "now instead of what served then, on the same rows."
)


@dataclass(frozen=True)
class NightChange:
    """The change between two nights.

    Attributes:
        chain: its tables.
        metrics: metric -> what changed.
    """

    chain: Chain
    metrics: Mapping[str, MetricChange]


def changed(found: NightChange | None) -> tuple[Section, ...]:
    """Return the section, or nothing where there is no night before to compare with."""
    if found is None:
        return ()
    return (
        Section(
            "changed", f"What changed since night {found.chain.earlier}", (Text(about(found)), change_table(found))
        ),
    )


def about(found: NightChange) -> str:
    """Say what the parts are."""
    return ABOUT if len(found.chain.links) > 2 else _COARSE


def change_table(found: NightChange) -> PageTable:
    """Return one line per metric: both nights, the change, and its parts."""
    heads = (
        TableHead("Metric"),
        TableHead(f"Night {found.chain.earlier}", numeric=True),
        TableHead(f"Night {found.chain.later}", numeric=True),
        TableHead("Change", "with interval", numeric=True),
        *(TableHead(link.part.capitalize(), "part of it", numeric=True) for link in found.chain.links),
    )
    rows = tuple(TableRow(tuple(_cells(name, change))) for name, change in found.metrics.items())
    caption = f"From night {found.chain.earlier} to night {found.chain.later}, each on its own judge day"
    return PageTable(caption, heads, rows)


def _cells(name: str, change: MetricChange) -> Iterator[Cell]:
    yield Cell(measure(name).label)
    yield from (_level(name, level) for level in (change.before, change.after))
    yield from (_part(name, part) for part in (change.total, *(part for _, part in change.parts)))


def _level(name: str, level: Interval) -> Cell:
    how = measure(name)
    return Cell(number(level.value, how), interval(level.low, level.high, how), numeric=True)


def _part(name: str, part: Interval) -> Cell:
    if not defined(part.value):
        return Cell(NOTHING, numeric=True, tone="muted")
    return difference_cell(name, part.value, part.low, part.high)
