"""What the dial of a recipe with proxy priors buys: accuracy against unevenness over durations."""

from collections.abc import Sequence

from tasks.report import charts
from tasks.report.formatting import Measure, count, defined, measured_cell, task
from tasks.report.inputs import Artifacts
from tasks.report.view import (
    Cell,
    Chart,
    Charts,
    Heading,
    PageBlock,
    PageTable,
    Section,
    TableHead,
    TableRow,
    Text,
    fold,
)
from tasks.trade_off.curves import TradeOffCurves, TradeOffPoint

_ACCURACY = {"watch_time": Measure("XAUC", "")}
_AUC = Measure("AUC", "")
_SECONDS, _PERCENT = Measure("", "", 2, "s"), Measure("", "", 2, "%")
_WORDS = {"logged": "logged rows", "random": "randomly exposed rows"}


def trade_off(artifacts: Artifacts) -> tuple[Section, ...]:
    """Return the section, or nothing where no recipe of the night has a dial."""
    turned = {model.name: model.trade_off for model in artifacts.fitted if model.trade_off is not None}
    if not turned:
        return ()
    text = (
        "These recipes serve (1 \N{MINUS SIGN} t) times an output that must not know the confounding proxies plus t times one "
        "that may. Bias is how unevenly the prediction, before calibration, errs over duration deciles (standard deviation "
        "of mean prediction minus mean label). The curve reports what another t would have done on the judge day; it "
        "chooses nothing."
    )
    blocks: list[PageBlock] = [Text(text)]
    for name, curves in turned.items():
        blocks += _model(name, artifacts.label(name), curves)
    return (Section("trade-off", "Accuracy against bias", tuple(blocks)),)


def _model(name: str, label: str, curves: TradeOffCurves) -> list[PageBlock]:
    served = curves.served
    watch: list[PageTable] = []
    binary: list[PageTable] = []
    for exposure, part in curves.exposures.items():
        for target, points in part.targets.items():
            table = _table(f"{count(part.rows)} {_WORDS[exposure]}", target, points, served)
            (watch if target == "watch_time" else binary).append(table)
    heading = Heading(label, f"serves t = {served:g}")
    folded = [fold("Binary tasks", *binary)] if binary else []
    return [heading, Charts((_chart(curves, name),)), *watch, *folded]


def _chart(curves: TradeOffCurves, who: str) -> Chart:
    """Return one chart of watch time: a line per exposure, from t = 0 to t = 1; a point that is undefined is left out."""
    lines: list[charts.Series] = []
    said: list[str] = []
    for colour, (name, part) in enumerate(curves.exposures.items()):
        points = [
            (point.trade_off, point.bias.value, point.accuracy.value)
            for point in part.targets["watch_time"]
            if defined(point.bias.value) and defined(point.accuracy.value)
        ]
        lines.append(
            charts.Series(_WORDS[name], [bias for _, bias, _ in points], [xauc for *_, xauc in points], colour)
        )
        said += [f"{_WORDS[name]}, t = {t:g}: XAUC {a:.4f}, bias {b:.2f} s" for t, b, a in points]
    caption = f"Watch time of {who} for t from 0 to 1 (served: {curves.served:g})"
    description = f"{caption}: {'; '.join(said)}"
    return Chart(f"{caption}.", charts.lines(lines, "bias, s", "XAUC", description))


def _table(about: str, target: str, points: Sequence[TradeOffPoint], served: float) -> PageTable:
    accuracy, bias = _ACCURACY.get(target, _AUC), _SECONDS if target == "watch_time" else _PERCENT
    name = "Watch time" if target == "watch_time" else task(target).capitalize()
    heads = (TableHead("t"), TableHead(accuracy.label, numeric=True), TableHead("Bias", numeric=True))
    lines = tuple(
        TableRow(
            (
                Cell(f"{point.trade_off:g}"),
                measured_cell(point.accuracy, accuracy),
                measured_cell(point.bias, bias),
            ),
            marked=point.trade_off == served,
        )
        for point in points
    )
    return PageTable(f"{name}: {about}", heads, lines)
