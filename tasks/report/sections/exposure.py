"""The unbiased estimate beside the logged one, where some rows were exposed at random."""

from collections.abc import Iterator

from tasks.report.inputs import Artifacts, Model
from tasks.report.view import Block, Cell, Head, Row, Section, Table, Text
from tasks.report.wording import NOTHING, count, estimate_cell, measure

SHOWN = ("xauc", "xgauc", "mae", "rmse", "tre_signed")
WEIGHT_DOUBT = 1.5
"""Factor by which the mean weight may differ from 1 before a reader is warned."""
_KINDS = {
    "logged": "as the product exposed them",
    "random": "exposed at random: unbiased",
    "snips": "logged, reweighted (SNIPS)",
    "ips": "logged, reweighted (IPS)",
}


def exposure(artifacts: Artifacts) -> Section:
    """Return the section; it says so where the log holds neither random rows nor exposure probabilities."""
    told = [model for model in artifacts.models if model.metrics["random_exposure"]]
    if not told:
        text = (
            "The judge day holds no randomly exposed rows and no logged exposure probabilities, so nothing can be said "
            "about videos the product would not have shown. All numbers on this page are about logged exposure."
        )
        return Section("exposure", "Unbiased estimates", (Text(text, "muted"),))
    text = (
        "Logged rows say how a model does on what the product shows; randomly exposed rows say how it does on videos at "
        "large, with fewer rows and wider intervals. Reweighting estimates the latter from logged rows, as far as their "
        "overlap carries (effective rows). Headline numbers elsewhere are logged."
    )
    found = {name for model in told for name in model.metrics["random_exposure"]}
    names = [*(name for name in _KINDS if name in found), *sorted(found - {*_KINDS})]
    blocks: list[Block] = [Text(text), *_doubts(told[0]), *(_table(artifacts, told, name) for name in names)]
    return Section("exposure", "Unbiased estimates", tuple(blocks))


def _doubts(model: Model) -> Iterator[Text]:
    """Say so where the importance weights cannot be right: their mean is 1 when logged probabilities are."""
    for part in model.metrics["random_exposure"].values():
        mean = part["diagnostics"].get("mean_weight")
        if mean is not None and not 1 / WEIGHT_DOUBT <= mean <= WEIGHT_DOUBT:
            yield Text(
                f"The mean importance weight is {mean:.3g} and should be near 1: the logged probabilities are not those of "
                "one exposure among all videos of the day. Do not read IPS as seconds; SNIPS, which divides by the "
                "weights, suffers less.",
                "warn",
            )
            return


def _table(artifacts: Artifacts, models: list[Model], name: str) -> Table:
    heads = (Head("Model"), Head("Rows", numeric=True), *(Head(measure(m).label, numeric=True) for m in SHOWN))
    rows = tuple(
        Row(tuple(_cells(artifacts, model, name)), marked=model is artifacts.serving)
        for model in models
        if name in model.metrics["random_exposure"]
    )
    return Table(
        f"{name.upper() if name in ('ips', 'snips') else name.capitalize()} exposure: rows {_KINDS.get(name, name)}",
        heads,
        rows,
    )


def _cells(artifacts: Artifacts, model: Model, name: str) -> Iterator[Cell]:
    part = model.metrics["random_exposure"][name]
    yield Cell(artifacts.label(model.name), part["reason"])
    effective = part["diagnostics"].get("effective_rows")
    yield Cell(count(part["rows"]), f"{effective:,.0f} effective" if effective else "", numeric=True)
    for metric in SHOWN:
        found = part["metrics"].get(metric)
        yield estimate_cell(metric, found) if found else Cell(NOTHING, numeric=True, tone="muted")
