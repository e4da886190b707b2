"""Every model and baseline of the night in one table, with intervals and paired differences to one of them."""

from collections.abc import Mapping, Sequence
from typing import Any

from tasks.evaluate.catalogue import PAIRED
from tasks.report import charts
from tasks.report.formatting import defined, difference_cell, estimate_cell, interval, measure, number
from tasks.report.inputs import Artifacts
from tasks.report.view import Block, Cell, Chart, Charts, Head, Row, Section, Table, Text

SHOWN = ("xauc", "xgauc", "mae", "rmse", "tre_signed", "dce_max", "auc_skip", "auc_long_view")
KINDS = {"challenger": "challenger", "champion": "champion", "baseline": "baseline"}
Line = Mapping[str, Any]


def leaders(artifacts: Artifacts, lines: Sequence[Line]) -> Section:
    """Return the section.

    Args:
        artifacts: the night.
        lines: rows of `tasks.evaluate.leaderboard`, best XAUC first, differences taken to `artifacts.focus`.
    """
    reference = artifacts.label(artifacts.focus.name)
    serves = "which serves tomorrow" if artifacts.serving else "the best challenger of the validation day"
    text = (
        "All on the same judge rows, which selected nothing. Below each value stands its interval over users; seeds are "
        f"averaged, and their spread is no part of it. Differences are paired, to {reference} ({serves}); green and red: the interval leaves zero out."
    )
    blocks: list[Block] = [Text(text), _values(artifacts, lines), _chart(artifacts, lines)]
    if not artifacts.baselines:
        blocks.append(Text("No baseline was computed this night (baselines.enabled is empty).", "warn"))
    return Section("leaderboard", "All models and baselines", (*blocks, _differences(artifacts, lines, reference)))


def _name(artifacts: Artifacts, line: Line) -> Cell:
    model = artifacts.model(line["name"])
    seeds = f"{line['num_seeds']} seeds" if line["num_seeds"] > 1 else "1 seed"
    serves = "serves tomorrow, " if artifacts.serving is model else ""
    part = "" if model.kind == "champion" else f"{KINDS[model.kind]}, "
    return Cell(artifacts.label(model.name), f"{serves}{part}{seeds}")


def _values(artifacts: Artifacts, lines: Sequence[Line]) -> Table:
    columns = {name: metric["column"] for name in SHOWN if (metric := artifacts.focus.metric(name))}
    heads = tuple(Head(measure(name).label, columns.get(name, ""), numeric=True) for name in SHOWN)
    seeds = any(defined(line["xauc_seed_sd"]) for line in lines)
    rows = []
    for line in lines:
        model = artifacts.model(line["name"])
        cells = tuple(estimate_cell(name, model.metric(name)) for name in SHOWN)
        spread = (Cell(number(line["xauc_seed_sd"], measure("xauc")), numeric=True),) if seeds else ()
        rows.append(Row((_name(artifacts, line), *cells, *spread), marked=model is artifacts.serving))
    return Table(
        "Best XAUC first; below each metric the prediction column it reads",
        (Head("Model"), *heads, *((Head("Seed s.d.", "of XAUC", numeric=True),) if seeds else ())),
        tuple(rows),
    )


def _differences(artifacts: Artifacts, lines: Sequence[Line], reference: str) -> Table:
    heads = tuple(Head(measure(name).label, "difference", numeric=True) for name in PAIRED)
    rows = []
    for line in lines:
        if line["name"] == artifacts.focus.name:
            continue
        cells = (
            difference_cell(n, line[f"{n}_delta"], line[f"{n}_delta_low"], line[f"{n}_delta_high"]) for n in PAIRED
        )
        rows.append(Row((Cell(artifacts.label(line["name"])), *cells)))
    return Table(f"Paired difference to {reference}", (Head("Model"), *heads), tuple(rows))


def _chart(artifacts: Artifacts, lines: Sequence[Line]) -> Charts:
    drawn = []
    for name, label in (("xauc", "XAUC"), ("xgauc", "XGAUC")):
        rows = [
            (artifacts.label(line["name"]), line[name], line[f"{name}_low"], line[f"{name}_high"])
            for line in lines
            if defined(line[name])
        ]
        how = measure(name)
        said = "; ".join(f"{who} {number(v, how)} {interval(low, high, how)}" for who, v, low, high in rows)
        svg = charts.intervals(rows, f"{label}, with interval", f"{label} of every model: {said}")
        drawn.append(Chart(f"{label} of every model and baseline; further right is better.", svg))
    return Charts(tuple(drawn))
