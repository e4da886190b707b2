"""What users would watch if a model's score chose their videos, where the log holds exposure probabilities."""

from collections.abc import Iterator, Mapping
from typing import Any

from tasks.core.files import read_json
from tasks.evaluate.served_value import SERVED_VALUE_FILE
from tasks.report.formatting import NOTHING, Measure, count, interval, number, share
from tasks.report.inputs import Artifacts, Model
from tasks.report.view import Block, Cell, Head, Row, Section, Table, Text

_SECONDS = Measure("", "", 2, "s")
_LABELS = {"snips": "SNIPS", "ips": "IPS", "dr": "DR", "dr_os": "DR, shrunk"}

Found = Mapping[str, Any]


def served_value(artifacts: Artifacts) -> tuple[Section, ...]:
    """Return the section, or nothing where no row of the judge day logged the probability of its exposure."""
    values = {m.name: read_json(m.folder / SERVED_VALUE_FILE) for m in artifacts.models if _told(m)}
    if not values:
        return ()
    first = next(iter(values.values()))
    logged = first["policies"]["logged"]["ips"]
    text = (
        f"Seconds per impression if each impression showed a video drawn from the {share(first['top_share'], 1, 0)} that the "
        f"model ranks highest for its user, estimated from {count(first['rows'])} logged rows and their exposure "
        f"probabilities. What was shown was watched for {_said(logged)}. Where a user has few rows, the top of all videos is "
        "hardly told from the rest, and the estimate lies nearer to drawing from all. It decides nothing."
    )
    rows = [_row("any video, drawn uniformly", first["policies"]["uniform"], marked=False)]
    for model in artifacts.models:
        if model.name in values:
            of_score = values[model.name]["policies"]["score"]
            rows.append(_row(artifacts.label(model.name), of_score, marked=model is artifacts.serving))
    heads = (
        Head("Served by"),
        Head("Effective rows", numeric=True),
        *(Head(_LABELS[e], "s", True) for e in _LABELS),
    )
    blocks: list[Block] = [Text(text), *_doubts(values), Table("Value of serving by score", heads, tuple(rows))]
    return (Section("served-value", "Value of serving by score", tuple(blocks)),)


def _told(model: Model) -> bool:
    return (model.folder / SERVED_VALUE_FILE).is_file()


def _row(name: str, policy: Found, marked: bool) -> Row:
    effective = Cell(count(round(policy["snips"]["diagnostics"]["effective_rows"])), numeric=True)
    return Row((Cell(name), effective, *(_cell(policy.get(e)) for e in _LABELS)), marked=marked)


def _cell(estimate: Found | None) -> Cell:
    if estimate is None or estimate["reason"]:
        return Cell(NOTHING, "" if estimate is None else "not trusted", numeric=True, tone="muted")
    return Cell(
        number(estimate["value"], _SECONDS), interval(estimate["low"], estimate["high"], _SECONDS), numeric=True
    )


def _doubts(values: Mapping[str, Found]) -> Iterator[Text]:
    """Say once why estimates are not given."""
    reasons: dict[str, None] = {}
    for found in values.values():
        for estimator, estimate in found["policies"]["score"].items():
            if estimate["reason"]:
                reasons[f"{_LABELS[estimator]} is not given: {estimate['reason']}."] = None
    if reasons:
        yield Text(" ".join(reasons), "warn")


def _said(estimate: Found) -> str:
    return f"{number(estimate['value'], _SECONDS)} {interval(estimate['low'], estimate['high'], _SECONDS)}"
