"""Where the model is good and where it is not: the main metrics by segment."""

from collections.abc import Iterator, Sequence

from tasks.evaluate.catalogue import MAIN
from tasks.evaluate.document import MeasuredSegment
from tasks.report import charts
from tasks.report.config import ReportConfig
from tasks.report.formatting import count, defined, estimate_cell, interval, measure, number, plural, segment, span
from tasks.report.inputs import Artifacts
from tasks.report.measured import MeasuredModel
from tasks.report.view import Cell, Chart, Charts, PageBlock, PageTable, Section, TableHead, TableRow, Text, fold


def by_segment(artifacts: Artifacts, config: ReportConfig) -> Section:
    """Return the section: charts of the model the page is about, tables of every fitted model."""
    focus = artifacts.focus
    blocks: list[PageBlock] = [
        Text(
            f"{artifacts.label(focus.name)} on the judge day, with intervals over users. The dashed line is its value on "
            "all rows. Segments with too few rows are counted, but get no numbers."
        )
    ]
    drawn = [chart for name in config.segments if (chart := _chart(focus, _parts(focus, name, config), name))]
    blocks.append(Charts(tuple(drawn)))
    for model in (focus, *(model for model in artifacts.fitted if model is not focus)):
        tables = tuple(_tables(model, config))
        blocks.append(fold(f"Tables of {artifacts.label(model.name)}", *tables))
    missing = [segment(name) for name in config.segments if not _parts(focus, name, config)]
    if missing:
        blocks.append(Text(f"Not computed this night: {', '.join(missing)} (evaluation.segments).", "muted"))
    return Section("segments", "By segment", tuple(blocks))


def _parts(model: MeasuredModel, name: str, config: ReportConfig) -> Sequence[MeasuredSegment]:
    """Return the values of one segmentation; of scenes only the largest."""
    parts = [part for part in model.segments if part.segment == name]
    if name != "scene" or len(parts) <= config.max_scenes:
        return parts
    largest = sorted(parts, key=lambda part: -part.rows)[: config.max_scenes]
    return [part for part in parts if part in largest]


def _tables(model: MeasuredModel, config: ReportConfig) -> Iterator[PageBlock]:
    for name in config.segments:
        parts = _parts(model, name, config)
        if parts:
            left_out = sum(part.segment == name for part in model.segments) - len(parts)
            more = f"; {plural(left_out, 'smaller one')} in segments.json" if left_out else ""
            yield _table(parts, f"By {segment(name)}{more}")


def _table(parts: Sequence[MeasuredSegment], caption: str) -> PageTable:
    heads = (
        TableHead("Value"),
        TableHead("Rows", "users", numeric=True),
        *(TableHead(measure(name).label, numeric=True) for name in MAIN),
    )
    rows = tuple(
        TableRow(
            (
                Cell(span(part.value)),
                Cell(count(part.rows), count(part.users), numeric=True),
                *(estimate_cell(name, part.metrics.get(name)) for name in MAIN),
            )
        )
        for part in parts
    )
    return PageTable(caption, heads, rows)


def _chart(model: MeasuredModel, parts: Sequence[MeasuredSegment], name: str) -> Chart | None:
    rows = []
    for part in parts:
        found = part.metrics.get("xauc")
        if found is not None and defined(found.value) and defined(found.low):
            rows.append((span(part.value), found.value, found.low, found.high))
    overall = model.metric("xauc")
    if not rows or overall is None:
        return None
    how = measure("xauc")
    said = "; ".join(f"{value} {number(x, how)} {interval(low, high, how)}" for value, x, low, high in rows)
    plot = charts.intervals(rows, "XAUC, with interval", f"XAUC by {segment(name)}: {said}", overall.value)
    return Chart(f"XAUC by {segment(name)}.", plot)
