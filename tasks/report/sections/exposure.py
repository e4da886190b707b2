"""The unbiased estimates beside the logged ones, where the log tells about other exposures; the truth, where it is known."""

from collections.abc import Iterator, Sequence

from tasks.evaluate.catalogue import MAIN
from tasks.evaluate.document import MeasuredNumber
from tasks.report.formatting import count, defined, estimate_cell, listed, measure
from tasks.report.inputs import Artifacts
from tasks.report.measured import MeasuredModel
from tasks.report.view import Cell, PageBlock, PageTable, Section, TableHead, TableRow, Text

SHOWN = (*MAIN, "auc_long_view")
OVERVIEW = ("xauc", "auc_long_view", "mae")
WEIGHT_DOUBT = 1.5
"""Factor by which the mean weight may differ from 1 before a reader is warned."""
_KINDS = {
    "logged": "Logged exposure: rows as the product exposed them",
    "random": "Random exposure: rows exposed at random: unbiased",
    "snips": "SNIPS exposure: rows logged, reweighted (SNIPS)",
    "dr": "DR exposure: rows logged, reweighted, with a model of the error (doubly robust)",
    "ips": "IPS exposure: rows logged, reweighted (IPS)",
    "truth": "Truth: uniformly exposed rows that only the simulator can show",
    "truth_expected": "Truth, without noise: the same rows against their expected seconds",
}
_SHORT = {"logged": "Logged", "random": "At random", "snips": "SNIPS", "dr": "DR", "ips": "IPS", "truth": "Truth"}
_ESTIMATES = ("random", "snips", "dr", "ips")


def exposure(artifacts: Artifacts) -> Section:
    """Return the section; it says so where nothing is known about exposures other than the logged one."""
    told = [model for model in artifacts.models if model.exposures]
    if not told:
        text = (
            "The judge day holds no randomly exposed rows and no logged exposure probabilities, so nothing can be said "
            "about videos the product would not have shown. All numbers on this page are about logged exposure."
        )
        return Section("exposure", "Unbiased estimates", (Text(text, "muted"),))
    text = (
        "Logged rows say how a model does on what the product shows; randomly exposed rows say how it does on videos at "
        "large, with fewer rows and wider intervals. Reweighting estimates the latter from logged rows, as far as their "
        "overlap carries (effective rows) and as far as what is shown depends on what is known. Headline numbers "
        "elsewhere are logged."
    )
    found = {name for model in told for name in model.exposures}
    names = [*(name for name in _KINDS if name in found), *sorted(found - {*_KINDS})]
    blocks: list[PageBlock] = [Text(text), *_doubts(told[0]), *_truth(artifacts, told)]
    blocks += [_overview(artifacts, told, metric, names) for metric in OVERVIEW]
    blocks += [_table(artifacts, told, name) for name in names]
    return Section("exposure", "Unbiased estimates", tuple(blocks))


def _doubts(model: MeasuredModel) -> Iterator[Text]:
    """Say so where the importance weights cannot be right: their mean is 1 when logged probabilities are."""
    for part in model.metrics.random_exposure.values():
        weights = part.diagnostics
        if weights is not None and not 1 / WEIGHT_DOUBT <= weights.mean_weight <= WEIGHT_DOUBT:
            yield Text(
                f"The mean importance weight is {weights.mean_weight:.3g} and should be near 1: the logged probabilities are not those of "
                "one exposure among all videos of the day. Do not read IPS as seconds; SNIPS and DR, which divide by the "
                "weights, suffer less.",
                "warn",
            )
            return


def _truth(artifacts: Artifacts, models: Sequence[MeasuredModel]) -> Iterator[Text]:
    """Say what the truth is, and which estimates of the model the page is about lie apart from it."""
    if not any(model.truth for model in models):
        return
    yield Text(
        "The source is the simulator, so the truth is known: the models were also measured on impressions of the judge day "
        "that were exposed uniformly at random and are not in the log. Nothing that decides has read them. Baselines were "
        "not measured there."
    )
    focus = artifacts.focus
    missed = {name: _missed(focus, name) for name in _ESTIMATES if name in focus.metrics.random_exposure}
    said = [f"{_SHORT[name]} in {listed(metrics)}" for name, metrics in missed.items() if metrics]
    if said:
        yield Text(
            f"Estimates of {artifacts.label(focus.name)} whose interval lies apart from the truth's: {'; '.join(said)}. "
            "Random rows miss by chance alone; weights cannot remove what correlated noise of exposure and preference does.",
            "warn",
        )


def _missed(model: MeasuredModel, name: str) -> list[str]:
    return [measure(m).label for m in SHOWN if _apart(_estimate(model, name, m), _estimate(model, "truth", m))]


def _estimate(model: MeasuredModel, exposure: str, metric: str) -> MeasuredNumber | None:
    """Return a metric under one exposure; None where it was not measured."""
    part = model.exposures.get(exposure)
    return None if part is None else part.metrics.get(metric)


def _apart(one: MeasuredNumber | None, other: MeasuredNumber | None) -> bool:
    if one is None or other is None or not (defined(one.low) and defined(one.high)):
        return False
    return defined(other.low) and defined(other.high) and (one.high < other.low or other.high < one.low)


def _overview(artifacts: Artifacts, models: Sequence[MeasuredModel], metric: str, names: Sequence[str]) -> PageTable:
    """Return one metric of every model, exposures side by side."""
    columns = [name for name in names if name in _SHORT and any(_estimate(model, name, metric) for model in models)]
    heads = (TableHead("Model"), *(TableHead(_SHORT[name], numeric=True) for name in columns))
    rows = []
    for model in models:
        cells = (estimate_cell(metric, _estimate(model, name, metric)) for name in columns)
        rows.append(TableRow((Cell(artifacts.label(model.name)), *cells), marked=model is artifacts.serving))
    return PageTable(f"{measure(metric).label} by exposure", heads, tuple(rows))


def _table(artifacts: Artifacts, models: Sequence[MeasuredModel], name: str) -> PageTable:
    heads = (
        TableHead("Model"),
        TableHead("Rows", numeric=True),
        *(TableHead(measure(m).label, numeric=True) for m in SHOWN),
    )
    rows = tuple(
        TableRow(tuple(_cells(artifacts, model, name)), marked=model is artifacts.serving)
        for model in models
        if name in model.exposures
    )
    return PageTable(_KINDS.get(name, name), heads, rows)


def _cells(artifacts: Artifacts, model: MeasuredModel, name: str) -> Iterator[Cell]:
    part = model.exposures[name]
    yield Cell(artifacts.label(model.name), part.reason)
    effective = part.diagnostics.effective_rows if part.diagnostics else 0
    yield Cell(count(part.rows), f"{effective:,.0f} effective" if effective else "", numeric=True)
    for metric in SHOWN:
        yield estimate_cell(metric, part.metrics.get(metric))
