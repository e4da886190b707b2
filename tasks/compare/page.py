"""A comparison as one HTML page with the look of the report: nothing to fetch."""

from collections.abc import Iterator, Sequence
from itertools import groupby

from tasks.compare.differences import Difference, ModelComparison, SegmentLine
from tasks.compare.leaderboard import METRIC, Board, Standing
from tasks.compare.words import DECIDING, PAIRED_NOTE, headline, ordered, remarks, span_of, verdict
from tasks.evaluate import catalogue
from tasks.evaluate.compare_segments import COMPARED
from tasks.evaluate.metrics.uncertainty import Interval
from tasks.report import charts
from tasks.report.formatting import (
    NOTHING,
    count,
    defined,
    interval,
    listed,
    measure,
    number,
    p_text,
    plural,
    segment,
    sentence,
    span,
)
from tasks.report.html import page_html
from tasks.report.sections.changed import NightChange, changed
from tasks.report.sections.glossary import glossary
from tasks.report.view import Cell, Chart, Charts, Fact, Page, PageTable, Section, TableHead, TableRow, Text, Tone, Top

_TONES: dict[str, Tone] = {"better": "good", "worse": "bad"}


def comparison_html(
    found: ModelComparison, left_out: Sequence[str] = (), change: NightChange | str | None = None
) -> str:
    """Return the page: a pure function of the comparison.

    Args:
        found: it.
        left_out: one line per night that was asked for and has no tables.
        change: what changed between two nights that were named, or why that is not known.
    """
    said = verdict(DECIDING, found.metrics[DECIDING], found.alpha)
    top = Top(
        verdict=said,
        tone=_TONES.get(said, "warn"),
        headline=sentence(headline(found), found.candidate),
        reasons=tuple(sentence(remark) for remark in remarks(found)),
        facts=tuple(_facts(found)),
        attention=tuple(sentence(f"left out, {line}") for line in left_out),
    )
    sections = (
        _metrics(found),
        *changed(change if isinstance(change, NightChange) else None),
        *([_by_night(found)] if len(found.nights) > 1 else []),
        _by_segment(found),
        glossary(),
    )
    nights = listed(map(str, found.nights))
    title = f"{found.candidate} against {found.reference}"
    return page_html(Page(title, f"On the rows of {plural(len(found.nights), 'judge day')}: {nights}", top, sections))


def board_html(board: Board) -> str:
    """Return a leaderboard as a page: a pure function of it."""
    how, leader = measure(METRIC), board.standings[0]
    top = Top(
        verdict="leaderboard",
        tone="warn",
        headline=f"{leader.model} leads {plural(len(board.standings), 'model')} over {plural(len(board.nights), 'night')}.",
        reasons=(sentence(PAIRED_NOTE), "p is adjusted by Holm among the models; nights count once each."),
        facts=(),
        attention=(),
    )
    heads = (
        TableHead("Model"),
        *(TableHead(str(night), how.label, numeric=True) for night in board.nights),
        TableHead(f"against {board.reference}", "difference, interval, p", numeric=True),
        TableHead("Nights", numeric=True),
    )
    table = PageTable(
        f"{how.label} with intervals over users", heads, tuple(_standing(one, board) for one in board.standings)
    )
    section = Section("models", "Models by nights", (table,))
    return page_html(Page(f"Models of {board.source}", f"Judge days {span_of(board)}", top, (section, glossary())))


def _standing(one: Standing, board: Board) -> TableRow:
    how, against = measure(METRIC), one.against
    nightly = (one.by_night.get(night) for night in board.nights)
    cells = [
        Cell(NOTHING, numeric=True, tone="muted")
        if found is None
        else Cell(number(found.value, how), interval(found.low, found.high, how), numeric=True)
        for found in nightly
    ]
    if against is None:
        return TableRow((Cell(one.model), *cells, Cell(NOTHING, numeric=True, tone="muted"), Cell("", numeric=True)))
    detail = f"{interval(against.low, against.high, how, signed=True)} p {p_text(against.adjusted)}"
    gain = Cell(number(against.value, how, signed=True), detail, numeric=True)
    return TableRow((Cell(one.model), *cells, gain, Cell(count(against.nights), numeric=True)))


def _facts(found: ModelComparison) -> Iterator[Fact]:
    yield Fact("Judged on", plural(found.rows, "row"), plural(len(found.nights), "night"))
    for name in catalogue.PAIRED:
        if name in found.metrics:
            one, how = found.metrics[name], measure(name)
            yield Fact(how.label, number(one.value, how, signed=True), interval(one.low, one.high, how, signed=True))


def _metrics(found: ModelComparison) -> Section:
    heads = (
        TableHead("Metric"),
        TableHead("Difference", "with interval", numeric=True),
        TableHead("p", "Holm", numeric=True),
        TableHead(found.candidate, numeric=True),
        TableHead(found.reference, numeric=True),
        TableHead("Rows", numeric=True),
        TableHead("Verdict"),
    )
    rows = tuple(_metric_row(name, one, found) for name, one in ordered(found))
    return Section("metrics", "Differences", (PageTable("On all rows", heads, rows),))


def _metric_row(name: str, one: Difference, found: ModelComparison) -> TableRow:
    how, level = measure(name), measure(catalogue.metric(name).base or name)
    said = verdict(name, one, found.alpha)
    return TableRow(
        (
            Cell(how.label),
            _difference(name, one, found),
            Cell(p_text(one.adjusted), numeric=True),
            Cell(number(one.candidate, level), numeric=True),
            Cell(number(one.reference, level), numeric=True),
            Cell(count(one.rows), numeric=True),
            Cell(said, tone=_TONES.get(said, "plain")),
        )
    )


def _difference(name: str, one: Difference, found: ModelComparison) -> Cell:
    """Return a difference with its interval, coloured where it is one among all that are shown."""
    how, said = measure(name), verdict(name, one, found.alpha)
    text, detail = number(one.value, how, signed=True), interval(one.low, one.high, how, signed=True)
    return Cell(text, detail, numeric=True, tone=_TONES.get(said, "plain"))


def _by_night(found: ModelComparison) -> Section:
    chart = _chart([(str(night), one) for night, one in found.by_night.items()], "night")
    return Section("nights", "By night", (Charts(tuple(chart)),))


def _by_segment(found: ModelComparison) -> Section:
    blocks: list[Text | Charts | PageTable] = [
        Text(
            "Segments with too few rows are counted, but get no numbers. p is adjusted by Holm among all numbers of this "
            "section; colours say what it calls different."
        )
    ]
    for name, group in groupby(found.segments, key=lambda part: part.segment):
        parts = list(group)
        named = [(span(part.value), part.metrics[DECIDING]) for part in parts if DECIDING in part.metrics]
        blocks += [Charts(tuple(_chart(named, segment(name)))), _segment_table(name, parts, found)]
    return Section("segments", "By segment", tuple(blocks))


def _segment_table(name: str, parts: Sequence[SegmentLine], found: ModelComparison) -> PageTable:
    heads = (
        TableHead("Value"),
        TableHead("Rows", numeric=True),
        *(TableHead(measure(metric).label, "difference, interval, p", numeric=True) for metric in COMPARED),
    )
    rows = tuple(
        TableRow(
            (
                Cell(span(part.value)),
                Cell(count(part.rows), numeric=True),
                *(_segment_cell(metric, part.metrics.get(metric), found) for metric in COMPARED),
            )
        )
        for part in parts
    )
    return PageTable(f"By {segment(name)}", heads, rows)


def _segment_cell(name: str, one: Difference | None, found: ModelComparison) -> Cell:
    if one is None or not defined(one.value):
        return Cell(NOTHING, numeric=True, tone="muted")
    cell = _difference(name, one, found)
    return Cell(cell.text, f"{cell.detail} p {p_text(one.adjusted)}", numeric=True, tone=cell.tone)


def _chart(named: Sequence[tuple[str, Interval]], what: str) -> Iterator[Chart]:
    """Draw differences of the deciding metric with their intervals; nothing where none is defined."""
    how = measure(DECIDING)
    rows = [(name, one.value, one.low, one.high) for name, one in named if defined(one.value) and defined(one.low)]
    if rows:
        said = "; ".join(
            f"{name} {number(x, how, True)} {interval(low, high, how, True)}" for name, x, low, high in rows
        )
        plot = charts.intervals(rows, "difference, with interval", f"{how.label} by {what}: {said}", reference=0)
        yield Chart(f"{how.label} by {what}. The dashed line is no difference.", plot)
