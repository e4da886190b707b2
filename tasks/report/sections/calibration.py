"""Whether predicted seconds and probabilities mean what they say."""

from collections.abc import Mapping, Sequence

from tasks.evaluate.catalogue import metric
from tasks.report import charts
from tasks.report.formatting import Measure, count, estimate_cell, measure, number, task
from tasks.report.inputs import Artifacts, Model
from tasks.report.view import Block, Cell, Chart, Charts, Head, Row, Section, Table, Text, fold

SUMMARY = ("tre_signed", "dce_rel", "dce_max", "pce")
_SECONDS = Measure("seconds", "", 2)
_PERCENT = Measure("percent", "", 1, "%")
_PROBABILITY = Measure("probability", "", 4)
Bin = Mapping[str, str]


def calibration(artifacts: Artifacts) -> Section:
    """Return the section: summary of all models, plots and tables of the one the page is about."""
    focus = artifacts.focus
    who = artifacts.label(focus.name)
    seconds, tasks = _of(focus, "watch_mean"), _tasks(focus)
    blocks: list[Block] = [
        Text(
            f"Plots show seed {focus.serving_seed} of {who}, the one that serves: points on the dashed line are calibrated. "
            "Single bins carry no interval; the errors over all bins do, in the table."
        ),
        _summary(artifacts),
    ]
    drawn = [_plot(seconds, f"Watch time of {who}, by decile of the prediction", "s", _SECONDS)] if seconds else []
    drawn += [_duration_plot(_of(focus, "duration_decile"), who)] if _of(focus, "duration_decile") else []
    drawn += [
        _plot(bins, f"{task(name).capitalize()}, by predicted probability", "share of rows", _PROBABILITY)
        for name, bins in tasks.items()
    ]
    blocks.append(Charts(tuple(drawn)))
    if not tasks:
        blocks.append(Text(f"{who} predicts no binary task.", "muted"))
    for model in artifacts.fitted:
        bins = _of(model, "duration_decile")
        if bins:
            caption = f"Seconds by duration decile: {artifacts.label(model.name)}, seed {model.serving_seed}"
            blocks.append(fold(caption, duration_table(bins, caption)))
    return Section("calibration", "Calibration", tuple(blocks))


def _of(model: Model, table: str) -> list[Bin]:
    return [row for row in model.reliability if row["table"] == table and int(row["seed"]) == model.serving_seed]


def _tasks(model: Model) -> dict[str, list[Bin]]:
    names = dict.fromkeys(row["table"] for row in model.reliability)
    return {name: _of(model, name) for name in names if name not in ("watch_mean", "duration_decile")}


def _summary(artifacts: Artifacts) -> Table:
    tasks = [name for name in artifacts.focus.metrics["metrics"] if metric(name).family == "ece"]
    names = (*SUMMARY, *tasks)
    heads = (Head("Model"), *(Head(measure(name).label, numeric=True) for name in names))
    rows = tuple(
        Row(
            (Cell(artifacts.label(model.name)), *(estimate_cell(name, model.metric(name)) for name in names)),
            marked=model is artifacts.serving,
        )
        for model in artifacts.models
    )
    return Table("Calibration errors with intervals, all seeds averaged", heads, rows)


def _plot(bins: Sequence[Bin], caption: str, unit: str, how: Measure) -> Chart:
    predicted, observed = _numbers(bins, "predicted"), _numbers(bins, "observed")
    said = "; ".join(
        f"{number(p, how)} predicted, {number(o, how)} observed" for p, o in zip(predicted, observed, strict=True)
    )
    return Chart(
        f"{caption}.", charts.reliability([charts.Series("", predicted, observed)], unit, f"{caption}: {said}")
    )


def _duration_plot(bins: Sequence[Bin], who: str) -> Chart:
    positions = [int(row["bin"]) + 1 for row in bins]
    predicted, observed = _numbers(bins, "predicted"), _numbers(bins, "observed")
    caption = f"Mean watch time of {who}, by duration decile"
    said = "; ".join(
        f"decile {b}: {number(p, _SECONDS)} s predicted, {number(o, _SECONDS)} s observed"
        for b, p, o in zip(positions, predicted, observed, strict=True)
    )
    series = [
        charts.Series("observed", positions, observed, 1),
        charts.Series("predicted", positions, predicted, 0, True),
    ]
    svg = charts.lines(series, "duration decile, short to long", "seconds", f"{caption}: {said}", whole_x=True)
    return Chart(f"{caption}.", svg)


def duration_table(bins: Sequence[Bin], caption: str) -> Table:
    """Return predicted and observed seconds by duration."""
    heads = ("Videos of", "Rows", "Predicted, s", "Observed, s", "Off by, s", "Off by")
    rows = []
    for row in bins:
        predicted, observed = float(row["predicted"]), float(row["observed"])
        relative = (predicted - observed) / observed if observed else float("nan")
        rows.append(
            Row(
                (
                    Cell(f"{float(row['low']):.4g} to {float(row['high']):.4g} s"),
                    Cell(count(int(row["rows"])), numeric=True),
                    Cell(number(predicted, _SECONDS), numeric=True),
                    Cell(number(observed, _SECONDS), numeric=True),
                    Cell(number(predicted - observed, _SECONDS, signed=True), numeric=True),
                    Cell(number(relative, _PERCENT, signed=True), numeric=True),
                )
            )
        )
    return Table(caption, tuple(Head(name, numeric=name != "Videos of") for name in heads), tuple(rows))


def _numbers(bins: Sequence[Bin], column: str) -> list[float]:
    return [float(row[column]) for row in bins]
