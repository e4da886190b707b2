"""Whether predicted seconds and probabilities mean what they say."""

from collections.abc import Sequence

from tasks.evaluate.catalogue import CALIBRATION, UNIFORM, metric
from tasks.evaluate.reliability import CalibrationBin
from tasks.report import charts
from tasks.report.formatting import Measure, count, estimate_cell, measure, number, task
from tasks.report.inputs import Artifacts
from tasks.report.measured import MeasuredModel
from tasks.report.view import Cell, Chart, Charts, PageBlock, PageTable, Section, TableHead, TableRow, Text, fold

_SECONDS = Measure("seconds", "", 2)
_PERCENT = Measure("percent", "", 1, "%")
_PROBABILITY = Measure("probability", "", 4)


def calibration(artifacts: Artifacts) -> Section:
    """Return the section: summary of all models, plots and tables of the one the page is about."""
    focus = artifacts.focus
    who = artifacts.label(focus.name)
    seconds, tasks = _of(focus, "watch_mean"), _tasks(focus)
    blocks: list[PageBlock] = [
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
    blocks += _populations(artifacts)
    if not tasks:
        blocks.append(Text(f"{who} predicts no binary task.", "muted"))
    for model in artifacts.fitted:
        bins = _of(model, "duration_decile")
        if bins:
            caption = f"Seconds by duration decile: {artifacts.label(model.name)}, seed {model.serving_seed}"
            blocks.append(fold(caption, duration_table(bins, caption)))
    return Section("calibration", "Calibration", tuple(blocks))


def _of(model: MeasuredModel, table: str) -> list[CalibrationBin]:
    return [row for row in model.reliability if row.table == table and row.seed == model.serving_seed]


def _tasks(model: MeasuredModel) -> dict[str, list[CalibrationBin]]:
    names = dict.fromkeys(row.table for row in model.reliability)
    return {name: _of(model, name) for name in names if name not in ("watch_mean", "duration_decile")}


def _summary(artifacts: Artifacts) -> PageTable:
    tasks = [name for name in artifacts.focus.metrics.metrics if metric(name).family == "ece"]
    names = (*CALIBRATION, *tasks)
    heads = (TableHead("Model"), *(TableHead(measure(name).label, numeric=True) for name in names))
    rows = tuple(
        TableRow(
            (Cell(artifacts.label(model.name)), *(estimate_cell(name, model.metric(name)) for name in names)),
            marked=model is artifacts.serving,
        )
        for model in artifacts.models
    )
    return PageTable("Calibration errors with intervals, all seeds averaged", heads, rows)


def _populations(artifacts: Artifacts) -> list[PageBlock]:
    """Say what the seconds of videos as they are shown are worth for videos at large, and what the random rows make of them."""
    rows = []
    for model in artifacts.models:
        for exposure, where in (("logged", "as shown"), ("random", "at random")):
            found = model.metrics.random_exposure.get(exposure)
            if found is not None and UNIFORM[0] in found.metrics:
                cells = (
                    estimate_cell(name, found.metrics[name])
                    for name in ("tre_signed", *UNIFORM[1:], "rmse", UNIFORM[0])
                )
                rows.append(TableRow((Cell(artifacts.label(model.name)), Cell(where), *cells)))
    if not rows:
        return []
    heads = ("Total error", "the same, uniform seconds", "RMSE", "the same, uniform seconds")
    caption = "Two kinds of seconds: of videos as they are shown, and of all videos alike"
    table = PageTable(
        caption,
        (TableHead("Model"), TableHead("Rows exposed"), *(TableHead(head, numeric=True) for head in heads)),
        tuple(rows),
    )
    return [
        Text(
            "Seconds calibrated on what was shown are too many for videos at large: people were shown what they like. Uniform "
            "seconds are shifted by the random rows of the validation day, as far as these can tell. "
            "score.serve_population says which of the two are served; the gate judges those of videos as shown."
        ),
        fold(caption, table),
    ]


def _plot(bins: Sequence[CalibrationBin], caption: str, unit: str, how: Measure) -> Chart:
    predicted, observed = [row.predicted for row in bins], [row.observed for row in bins]
    said = "; ".join(
        f"{number(p, how)} predicted, {number(o, how)} observed" for p, o in zip(predicted, observed, strict=True)
    )
    return Chart(
        f"{caption}.", charts.reliability([charts.Series("", predicted, observed)], unit, f"{caption}: {said}")
    )


def _duration_plot(bins: Sequence[CalibrationBin], who: str) -> Chart:
    positions = [row.bin + 1 for row in bins]
    predicted, observed = [row.predicted for row in bins], [row.observed for row in bins]
    caption = f"Mean watch time of {who}, by duration decile"
    said = "; ".join(
        f"decile {b}: {number(p, _SECONDS)} s predicted, {number(o, _SECONDS)} s observed"
        for b, p, o in zip(positions, predicted, observed, strict=True)
    )
    series = [
        charts.Series("observed", positions, observed, 1),
        charts.Series("predicted", positions, predicted, 0, True),
    ]
    plot = charts.lines(series, "duration decile, short to long", "seconds", f"{caption}: {said}", whole_x=True)
    return Chart(f"{caption}.", plot)


def duration_table(bins: Sequence[CalibrationBin], caption: str) -> PageTable:
    """Return predicted and observed seconds by duration."""
    heads = ("Videos of", "Rows", "Predicted, s", "Observed, s", "Off by, s", "Off by")
    rows = []
    for row in bins:
        predicted, observed = row.predicted, row.observed
        relative = (predicted - observed) / observed if observed else float("nan")
        rows.append(
            TableRow(
                (
                    Cell(f"{row.low:.4g} to {row.high:.4g} s"),
                    Cell(count(row.rows), numeric=True),
                    Cell(number(predicted, _SECONDS), numeric=True),
                    Cell(number(observed, _SECONDS), numeric=True),
                    Cell(number(predicted - observed, _SECONDS, signed=True), numeric=True),
                    Cell(number(relative, _PERCENT, signed=True), numeric=True),
                )
            )
        )
    return PageTable(caption, tuple(TableHead(name, numeric=name != "Videos of") for name in heads), tuple(rows))
