"""Every model on every population: all logged rows, the new ones among them, and videos at large as far as the log tells."""

from collections.abc import Iterator, Sequence

from tasks.evaluate.catalogue import MAIN
from tasks.evaluate.document import ExposedMetrics, MeasuredNumber, MeasuredSegment
from tasks.evaluate.segments import flag_names
from tasks.report.formatting import NOTHING, count, defined, estimate_cell, listed, measure
from tasks.report.inputs import Artifacts
from tasks.report.measured import MeasuredModel
from tasks.report.view import Cell, PageBlock, PageTable, Section, TableHead, TableRow, Text, fold

SHOWN = (*MAIN, "auc_long_view")
_FLAGS = ("is_new_user", "is_new_video")
WEIGHT_DOUBT = 1.5
"""Factor by which the mean weight may differ from 1 before a reader is warned."""
_HEADS = {
    "logged": ("Logged", "as the product exposed them"),
    "is_new_user": ("New users", "of the logged rows"),
    "is_new_video": ("New videos", "of the logged rows"),
    "random": ("At random", "exposed at random: unbiased"),
    "snips": ("SNIPS", "logged, reweighted"),
    "dr": ("DR", "reweighted, doubly robust"),
    "ips": ("IPS", "logged, reweighted"),
    "truth": ("Truth", "uniform, the simulator's"),
    "truth_expected": ("Truth, no noise", "expected seconds"),
}
"""Population -> its name and what rows it is, in the order of the columns."""
_ESTIMATES = ("random", "snips", "dr", "ips")


def exposure(artifacts: Artifacts) -> Section:
    """Return the section: one table of models by populations, the same of other metrics folded away."""
    told = [model for model in artifacts.models if model.exposures]
    blocks: list[PageBlock] = []
    if told:
        text = (
            "Logged rows say how a model does on what the product shows; randomly exposed rows say how it does on videos at "
            "large, with fewer rows and wider intervals. Reweighting estimates the latter from logged rows, as far as their "
            "overlap carries (effective rows) and as far as what is shown depends on what is known. Headline numbers "
            "elsewhere are logged."
        )
        blocks += [Text(text), *_doubts(told[0]), *_truth(artifacts, told)]
    else:
        text = (
            "The judge day holds no randomly exposed rows and no logged exposure probabilities, so nothing can be said "
            "about videos the product would not have shown. All numbers on this page are about logged exposure."
        )
        blocks.append(Text(text, "muted"))
    names = [name for name in _HEADS if any(_part(model, name) for model in artifacts.models)]
    first, *others = SHOWN
    blocks.append(_by_population(artifacts, first, names))
    blocks += [fold(measure(name).label, _by_population(artifacts, name, names)) for name in others]
    blocks.append(fold("Rows of each population, and why a number is missing", _rows(artifacts, names)))
    return Section("populations", "Models by population", tuple(blocks))


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
    said = [f"{_HEADS[name][0]} in {listed(metrics)}" for name, metrics in missed.items() if metrics]
    if said:
        yield Text(
            f"Estimates of {artifacts.label(focus.name)} whose interval lies apart from the truth's: {'; '.join(said)}. "
            "Random rows miss by chance alone; weights cannot remove what correlated noise of exposure and preference does.",
            "warn",
        )


def _missed(model: MeasuredModel, name: str) -> list[str]:
    return [measure(m).label for m in SHOWN if _apart(_estimate(model, name, m), _estimate(model, "truth", m))]


def _part(model: MeasuredModel, population: str) -> ExposedMetrics | MeasuredSegment | None:
    """Return what was measured of a model on one population other than all logged rows; None where nothing was."""
    if population in _FLAGS:
        value = flag_names(population)[1]
        return next((part for part in model.segments if (part.segment, part.value) == (population, value)), None)
    return model.exposures.get(population)


def _estimate(model: MeasuredModel, population: str, metric: str) -> MeasuredNumber | None:
    """Return a metric on one population; None where it was not measured."""
    if population == "logged":
        return model.metric(metric)
    part = _part(model, population)
    return None if part is None else part.metrics.get(metric)


def _apart(one: MeasuredNumber | None, other: MeasuredNumber | None) -> bool:
    if one is None or other is None or not (defined(one.low) and defined(one.high)):
        return False
    return defined(other.low) and defined(other.high) and (one.high < other.low or other.high < one.low)


def _by_population(artifacts: Artifacts, metric: str, names: Sequence[str]) -> PageTable:
    """Return one metric of every model, populations side by side."""
    columns = ["logged", *(name for name in names if any(_estimate(model, name, metric) for model in artifacts.models))]
    columns = list(dict.fromkeys(columns))
    heads = (TableHead("Model"), *(TableHead(*_HEADS[name], numeric=True) for name in columns))
    rows = []
    for model in artifacts.models:
        cells = (estimate_cell(metric, _estimate(model, name, metric)) for name in columns)
        rows.append(TableRow((Cell(artifacts.label(model.name)), *cells), marked=model is artifacts.serving))
    return PageTable(f"{measure(metric).label} by model and population", heads, tuple(rows))


def _rows(artifacts: Artifacts, names: Sequence[str]) -> PageTable:
    heads = (TableHead("Model"), *(TableHead(_HEADS[name][0], numeric=True) for name in names))
    rows = tuple(
        TableRow((Cell(artifacts.label(model.name)), *(_rows_of(_part(model, name)) for name in names)))
        for model in artifacts.models
    )
    return PageTable("Rows by model and population", heads, rows)


def _rows_of(part: ExposedMetrics | MeasuredSegment | None) -> Cell:
    if part is None:
        return Cell(NOTHING, numeric=True, tone="muted")
    if isinstance(part, MeasuredSegment):
        return Cell(count(part.rows), "" if part.metrics else "too few rows", numeric=True)
    weights = part.diagnostics
    effective = f"{weights.effective_rows:,.0f} effective" if weights and weights.effective_rows else ""
    return Cell(count(part.rows), part.reason or effective, numeric=True)
