"""What users would watch if a model's score chose their videos, where the log holds exposure probabilities."""

from collections.abc import Iterator, Mapping

from tasks.evaluate.document import ServedEstimate, ServedValue
from tasks.report.formatting import NOTHING, Measure, count, interval, measured_cell, number, share
from tasks.report.inputs import Artifacts
from tasks.report.view import Cell, PageBlock, PageTable, Section, TableHead, TableRow, Text

_SECONDS = Measure("", "", 2, "s")
_LABELS = {"snips": "SNIPS", "ips": "IPS", "dr": "DR", "dr_os": "DR, shrunk"}


def served_value(artifacts: Artifacts) -> tuple[Section, ...]:
    """Return the section, or nothing where no row of the judge day logged the probability of its exposure."""
    values = {model.name: model.served_value for model in artifacts.models if model.served_value is not None}
    if not values:
        return ()
    first = next(iter(values.values()))
    logged = first.policies["logged"]["ips"]
    text = (
        f"Seconds per impression if each impression showed a video drawn from the {share(first.top_share, 1, 0)} that the "
        f"model ranks highest for its user, estimated from {count(first.rows)} logged rows and their exposure "
        f"probabilities. What was shown was watched for {_said(logged)}. Where a user has few rows, the top of all videos is "
        "hardly told from the rest, and the estimate lies nearer to drawing from all. It decides nothing."
    )
    rows = [_row("any video, drawn uniformly", first.policies["uniform"], marked=False)]
    for model in artifacts.models:
        if model.name in values:
            of_score = values[model.name].policies["score"]
            rows.append(_row(artifacts.label(model.name), of_score, marked=model is artifacts.serving))
    heads = (
        TableHead("Served by"),
        TableHead("Effective rows", numeric=True),
        *(TableHead(_LABELS[e], "s", True) for e in _LABELS),
    )
    blocks: list[PageBlock] = [Text(text), *_doubts(values), PageTable("Value of serving by score", heads, tuple(rows))]
    return (Section("served-value", "Value of serving by score", tuple(blocks)),)


def _row(name: str, policy: Mapping[str, ServedEstimate], marked: bool) -> TableRow:
    effective = Cell(count(round(policy["snips"].diagnostics.effective_rows)), numeric=True)
    return TableRow((Cell(name), effective, *(_cell(policy.get(e)) for e in _LABELS)), marked=marked)


def _cell(estimate: ServedEstimate | None) -> Cell:
    if estimate is None or estimate.reason:
        return Cell(NOTHING, "" if estimate is None else "not trusted", numeric=True, tone="muted")
    return measured_cell(estimate, _SECONDS)


def _doubts(values: Mapping[str, ServedValue]) -> Iterator[Text]:
    """Say once why estimates are not given."""
    reasons: dict[str, None] = {}
    for found in values.values():
        for estimator, estimate in found.policies["score"].items():
            if estimate.reason:
                reasons[f"{_LABELS[estimator]} is not given: {estimate.reason}."] = None
    if reasons:
        yield Text(" ".join(reasons), "warn")


def _said(estimate: ServedEstimate) -> str:
    return f"{number(estimate.value, _SECONDS)} {interval(estimate.low, estimate.high, _SECONDS)}"
