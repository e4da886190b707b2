"""Every model and baseline of the night in one table, with intervals and paired differences to one of them."""

from collections.abc import Sequence

from tasks.evaluate.catalogue import LEADERBOARD, PAIRED
from tasks.evaluate.leaderboard import LeaderboardLine
from tasks.report import charts
from tasks.report.formatting import defined, difference_cell, estimate_cell, interval, measure, number, plural
from tasks.report.inputs import Artifacts
from tasks.report.view import Cell, Chart, Charts, PageBlock, PageTable, Section, TableHead, TableRow, Text, fold


def leaders(artifacts: Artifacts, lines: Sequence[LeaderboardLine]) -> Section:
    """Return the section.

    Args:
        artifacts: the night.
        lines: rows of `tasks.evaluate.leaderboard`, best XAUC first, differences taken to `artifacts.focus`.
    """
    reference = artifacts.label(artifacts.focus.name)
    serves = "which serves tomorrow" if artifacts.serving else "the best challenger of the validation day"
    text = (
        "All on the same judge rows, which selected nothing. Below each value stands its interval over users; seeds are "
        f"averaged, and their spread is no part of it. Differences are paired, to {reference} ({serves}); green and red: the "
        "interval leaves zero out."
    )
    blocks: list[PageBlock] = [Text(text), _values(artifacts, lines), _chart(artifacts, lines)]
    if not artifacts.baselines:
        blocks.append(Text("No baseline was computed this night (baselines.enabled is empty).", "warn"))
    differences = fold(f"Paired differences to {reference}", _differences(artifacts, lines, reference))
    return Section("leaderboard", "All models and baselines", (*blocks, differences))


def _name(artifacts: Artifacts, line: LeaderboardLine) -> Cell:
    model = artifacts.model(line.name)
    seeds = plural(len(line.measured.seeds), "seed")
    serves = "serves tomorrow, " if artifacts.serving is model else ""
    part = "" if model.kind == "champion" else f"{model.kind}, "
    return Cell(artifacts.label(model.name), f"{serves}{part}{seeds}")


def _values(artifacts: Artifacts, lines: Sequence[LeaderboardLine]) -> PageTable:
    columns = {name: metric.column for name in LEADERBOARD if (metric := artifacts.focus.metric(name))}
    heads = tuple(TableHead(measure(name).label, columns.get(name, ""), numeric=True) for name in LEADERBOARD)
    seeds = any(defined(line.measured.metrics["xauc"].seed_sd) for line in lines)
    rows = []
    for line in lines:
        model = artifacts.model(line.name)
        cells = tuple(estimate_cell(name, model.metric(name)) for name in LEADERBOARD)
        spread = (Cell(number(line.measured.metrics["xauc"].seed_sd, measure("xauc")), numeric=True),) if seeds else ()
        rows.append(TableRow((_name(artifacts, line), *cells, *spread), marked=model is artifacts.serving))
    return PageTable(
        "Best XAUC first; below each metric the prediction column it reads",
        (TableHead("Model"), *heads, *((TableHead("Seed s.d.", "of XAUC", numeric=True),) if seeds else ())),
        tuple(rows),
    )


def _differences(artifacts: Artifacts, lines: Sequence[LeaderboardLine], reference: str) -> PageTable:
    heads = tuple(TableHead(measure(name).label, "difference", numeric=True) for name in PAIRED)
    rows = []
    for line in lines:
        if line.name == artifacts.focus.name:
            continue
        pairs = {name: line.differences[name] for name in PAIRED}
        cells = (difference_cell(name, pair.value, pair.low, pair.high) for name, pair in pairs.items())
        rows.append(TableRow((Cell(artifacts.label(line.name)), *cells)))
    return PageTable(f"Paired difference to {reference}", (TableHead("Model"), *heads), tuple(rows))


def _chart(artifacts: Artifacts, lines: Sequence[LeaderboardLine]) -> Charts:
    drawn = []
    for name, label in (("xauc", "XAUC"), ("xgauc", "XGAUC")):
        found = [(artifacts.label(line.name), line.measured.metrics[name]) for line in lines]
        rows = [(who, metric.value, metric.low, metric.high) for who, metric in found if defined(metric.value)]
        how = measure(name)
        said = "; ".join(f"{who} {number(v, how)} {interval(low, high, how)}" for who, v, low, high in rows)
        plot = charts.intervals(rows, f"{label}, with interval", f"{label} of every model: {said}")
        drawn.append(Chart(f"{label} of every model and baseline; further right is better.", plot))
    return Charts(tuple(drawn))
