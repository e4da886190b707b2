"""What the dial of a recipe with proxy priors buys: accuracy against unevenness over durations."""

from collections.abc import Mapping, Sequence
from typing import Any

from tasks.core.files import read_json
from tasks.report import charts
from tasks.report.formatting import Measure, count, interval, number, task
from tasks.report.inputs import Artifacts, Model
from tasks.report.view import Block, Cell, Chart, Charts, Head, Heading, Row, Section, Table, Text, fold

FILE = "trade_off.json"
"""What `tasks.trade_off.trade_off` writes beside the metrics."""
_ACCURACY = {"watch_time": Measure("XAUC", "")}
_AUC = Measure("AUC", "")
_SECONDS, _PERCENT = Measure("", "", 2, "s"), Measure("", "", 2, "%")
_WORDS = {"logged": "logged rows", "random": "randomly exposed rows"}

Points = Sequence[Mapping[str, Any]]


def trade_off(artifacts: Artifacts) -> tuple[Section, ...]:
    """Return the section, or nothing where no recipe of the night has a dial."""
    turned = [model for model in artifacts.fitted if (model.folder / FILE).is_file()]
    if not turned:
        return ()
    text = (
        "These recipes serve (1 \N{MINUS SIGN} t) times an output that must not know the confounding proxies plus t times one "
        "that may. Bias is how unevenly the prediction, before calibration, errs over duration deciles (standard deviation "
        "of mean prediction minus mean label). The curve reports what another t would have done on the judge day; it "
        "chooses nothing."
    )
    blocks: list[Block] = [Text(text)]
    for model in turned:
        blocks += _model(artifacts, model)
    return (Section("trade-off", "Accuracy against bias", tuple(blocks)),)


def _model(artifacts: Artifacts, model: Model) -> list[Block]:
    found = read_json(model.folder / FILE)
    exposures: Mapping[str, Any] = found["exposures"]
    served = found["served"]
    watch: list[Table] = []
    binary: list[Table] = []
    for name, part in exposures.items():
        for target, points in part["targets"].items():
            table = _table(f"{count(part['rows'])} {_WORDS[name]}", target, points, served)
            (watch if target == "watch_time" else binary).append(table)
    heading = Heading(artifacts.label(model.name), f"serves t = {served:g}")
    folded = [fold("Binary tasks", *binary)] if binary else []
    return [heading, Charts((_chart(exposures, model.name, served),)), *watch, *folded]


def _chart(exposures: Mapping[str, Any], who: str, served: float) -> Chart:
    """Return one chart of watch time: a line per exposure, from t = 0 to t = 1."""
    lines: list[charts.Series] = []
    said: list[str] = []
    for colour, (name, part) in enumerate(exposures.items()):
        points = part["targets"]["watch_time"]
        bias = [point["bias"]["value"] for point in points]
        accuracy = [point["accuracy"]["value"] for point in points]
        lines.append(charts.Series(_WORDS[name], bias, accuracy, colour))
        said += [
            f"{_WORDS[name]}, t = {point['trade_off']:g}: XAUC {a:.4f}, bias {b:.2f} s"
            for point, a, b in zip(points, accuracy, bias, strict=True)
        ]
    caption = f"Watch time of {who} for t from 0 to 1 (served: {served:g})"
    description = f"{caption}: {'; '.join(said)}"
    return Chart(f"{caption}.", charts.lines(lines, "bias, s", "XAUC", description))


def _table(about: str, target: str, points: Points, served: float) -> Table:
    accuracy, bias = _ACCURACY.get(target, _AUC), _SECONDS if target == "watch_time" else _PERCENT
    name = "Watch time" if target == "watch_time" else task(target).capitalize()
    heads = (Head("t"), Head(accuracy.label, numeric=True), Head("Bias", numeric=True))
    lines = tuple(
        Row(
            (
                Cell(f"{point['trade_off']:g}"),
                _cell(point["accuracy"], accuracy),
                _cell(point["bias"], bias),
            ),
            marked=point["trade_off"] == served,
        )
        for point in points
    )
    return Table(f"{name}: {about}", heads, lines)


def _cell(estimate: Mapping[str, Any], how: Measure) -> Cell:
    return Cell(number(estimate["value"], how), interval(estimate["low"], estimate["high"], how), numeric=True)
