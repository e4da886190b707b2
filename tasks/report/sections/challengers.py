"""Champion against challengers: every paired difference with its interval, and every condition with its outcome."""

from collections.abc import Iterator, Sequence

from tasks.evaluate.catalogue import HARM_GUARDRAILS, PAIRED, TESTED
from tasks.gate.compared import Compared
from tasks.gate.decision import ChallengerVerdict, Check
from tasks.gate.evidence import ReignEvidence
from tasks.report.formatting import (
    NOTHING,
    difference_cell,
    measure,
    number,
    plural,
    sentence,
)
from tasks.report.inputs import Artifacts
from tasks.report.sections.deltas import delta_table, difference_chart
from tasks.report.view import Cell, Heading, PageBlock, PageTable, Points, Section, TableHead, TableRow, Text, fold

_OUTCOMES = {
    "failed": Cell("failed", tone="bad"),
    "passed": Cell("passed", tone="good"),
    "not_applicable": Cell("not applicable", tone="muted"),
}
_RULES = {
    "first": "first champion",
    "refresh": "refresh: same recipe, newer data",
    "refresh_by_age": "refresh by age: same recipe, newer data, too few rows to show it not worse",
    "upgrade": "upgrade: another recipe",
}


def challengers(artifacts: Artifacts) -> Section:
    """Return the section."""
    decision = artifacts.decision
    blocks: list[PageBlock] = [Text(_introduction(artifacts))]
    for verdict in decision.challengers:
        blocks += _challenger(verdict, artifacts)
    title = "Challengers and champion" if decision.champion else "Challengers"
    return Section("challengers", title, tuple(blocks))


def _introduction(artifacts: Artifacts) -> str:
    decision, champion = artifacts.decision, artifacts.champion
    z, level = decision.policy.bound_z, "differences are challenger minus reference, paired by user on identical rows"
    if champion is None:
        retired = decision.retired
        none = f"The champion {retired.entry} was retired: {retired.reason}" if retired else "There is no champion yet"
        start = (
            f"{none}. A first champion has to beat every trivial baseline in XAUC, reach the others and be calibrated"
        )
    else:
        start = f"The champion is {champion.recipe}, promoted in night {champion.as_of} ({champion.kind})"
    return (
        f"{start}; {level}. Brackets are two-sided bootstrap intervals over users; a condition uses the one-sided "
        f"bound at {z:g} standard errors."
    )


def _challenger(verdict: ChallengerVerdict, artifacts: Artifacts) -> Iterator[PageBlock]:
    won = verdict.name == artifacts.decision.winner
    badge = "promoted" if won else "passed, not needed" if verdict.passed else "refused"
    rule = _RULES[verdict.rule]
    yield Heading(f"{verdict.name} ({rule})", badge, "good" if won else "plain" if verdict.passed else "bad")
    failed = verdict.failed
    if failed:
        yield _check_table("Conditions that do not hold", failed)
    else:
        yield Text(sentence(verdict.reason), "good")
    if verdict.evidence is not None:
        yield Text(sentence(verdict.evidence.said))
        yield _evidence_table(verdict.evidence)
    if verdict.warnings:
        yield Text("Remarks that decide nothing:", "warn")
        yield Points(tuple(sentence(warning) for warning in verdict.warnings))
    yield from _comparisons(verdict, artifacts)
    others = [check for check in verdict.checks if check.status != "failed"]
    which = "All other conditions" if failed else "All conditions"
    yield fold(f"{which} ({len(others)})", _check_table("Conditions", others))


def _check_table(caption: str, checks: Sequence[Check]) -> PageTable:
    rows = tuple(
        TableRow((Cell(check_name(check)), _OUTCOMES[check.status], Cell(sentence(check.reason)))) for check in checks
    )
    return PageTable(caption, (TableHead("Condition"), TableHead("Outcome"), TableHead("In numbers")), rows)


def _evidence_table(evidence: ReignEvidence) -> PageTable:
    heads = (
        TableHead("Metric"),
        TableHead("Nights", numeric=True),
        TableHead("Mean difference", "of a night", numeric=True),
        TableHead("Lower bound", "whenever one looks", numeric=True),
        TableHead("Evidence E", numeric=True),
        TableHead("Variance by"),
        TableHead("Autocorrelation", numeric=True),
    )
    rows = tuple(
        TableRow(
            (
                Cell(measure(found.name).label),
                Cell(str(found.nights), numeric=True),
                Cell(number(found.mean, measure(found.name), signed=True), numeric=True),
                Cell(number(found.lower, measure(found.name), signed=True), numeric=True),
                Cell(f"{found.e_value:.3g}", numeric=True),
                Cell(found.variance_source),
                Cell(NOTHING if found.autocorrelation is None else f"{found.autocorrelation:.2f}", numeric=True),
            )
        )
        for found in evidence.metrics
    )
    caption = f"Evidence of the reign: E {evidence.e_value:.3g}, {evidence.threshold:.3g} are needed"
    return PageTable(caption, heads, rows)


def check_name(check: Check) -> str:
    """Return a condition in words."""
    return check.label or check.name.replace("_", " ")


def _comparisons(verdict: ChallengerVerdict, artifacts: Artifacts) -> Iterator[PageBlock]:
    if not verdict.compared:
        unusable = any(check.name == "finite" for check in verdict.failed)
        why = "its predictions cannot be used" if unusable else "there was nothing to compare it with"
        yield Text(f"No comparison was made: {why}.", "muted")
        return
    if artifacts.decision.champion is None:
        yield from _against_baselines(verdict, artifacts)
        return
    for pair in verdict.compared:
        if pair.reference != "champion":
            continue
        reference = artifacts.model(pair.reference)
        sides = (artifacts.model(verdict.name), reference) if pair.scope == "judge" else None
        table = delta_table(pair, _where(pair, artifacts.label(reference.name)), sides)
        drawn = difference_chart(
            [(measure(d.name).label, d) for d in pair.deltas if d.name in (*TESTED, *HARM_GUARDRAILS["ranking_harm"])],
            f"{verdict.name} against the champion, {pair.scope} rows",
        )
        yield from (drawn,) if drawn else ()
        yield fold(f"Every paired difference, {pair.scope} rows ({len(pair.deltas)})", table)


def _where(pair: Compared, reference: str) -> str:
    rows = f"{plural(pair.rows, 'row')} of {plural(pair.users, 'user')}"
    scope = "this night's judge rows" if pair.scope == "judge" else f"{len(pair.days)} judge days pooled"
    return f"Against {reference} on {scope}: {rows}"


def _against_baselines(verdict: ChallengerVerdict, artifacts: Artifacts) -> Iterator[PageBlock]:
    heads = (TableHead("Baseline"), *(TableHead(measure(n).label, "difference", numeric=True) for n in PAIRED))
    rows = []
    for pair in verdict.compared:
        found = {delta.name: delta for delta in pair.deltas}
        cells = [
            difference_cell(n, found[n].value, found[n].low, found[n].high)
            if n in found
            else Cell(NOTHING, numeric=True)
            for n in PAIRED
        ]
        rows.append(TableRow((Cell(artifacts.label(pair.reference)), *cells)))
    first = verdict.compared[0]
    yield PageTable(
        f"Against the baselines: {plural(first.rows, 'row')} of {plural(first.users, 'user')}",
        heads,
        tuple(rows),
    )
    drawn = difference_chart(
        [(artifacts.label(pair.reference), d) for pair in verdict.compared if (d := pair.delta("xauc"))],
        f"XAUC of {verdict.name} minus that of each baseline",
    )
    if drawn:
        yield drawn
