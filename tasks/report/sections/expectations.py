"""Which rules the data were held against, and which did not hold."""

from collections.abc import Iterator, Mapping, Sequence

from tasks.report.formatting import count, plural, sentence
from tasks.report.view import Cell, PageBlock, PageTable, Section, TableHead, TableRow, Text, Tone, fold
from tasks.validate.summary import DataSummary, RulesJudged
from tasks.validate.verdicts import Status

STATUSES: tuple[Status, ...] = ("failed", "warning", "accepted", "skipped", "passed")
_TONES: Mapping[Status, Tone] = {"failed": "bad", "warning": "warn", "accepted": "warn", "passed": "good"}


def expectations(summary: DataSummary) -> Section:
    """Return the section: totals, whatever warned or failed in full, counts per table folded away."""
    tables: list[tuple[str, RulesJudged]] = [(day.day, day) for day in summary.days]
    tables += summary.side_tables.items()
    totals = {status: sum(table.verdicts[status] for _, table in tables) for status in STATUSES}
    said = ", ".join(f"{count(totals[status])} {status}" for status in STATUSES if totals[status])
    blocks: list[PageBlock] = [Text(f"{plural(sum(totals.values()), 'rule')} judged: {said}.", _tone(totals))]
    problems = tuple(_problems(tables))
    if problems:
        blocks.append(
            PageTable(
                "What did not hold as it should",
                (TableHead("Table"), TableHead("Rule"), TableHead("Outcome"), TableHead("In words")),
                problems,
            )
        )
    blocks.append(fold("Counts by table", _counts(tables)))
    blocks.append(
        Text("Every rule with what was observed: data/validated/docs/index.html, which opens offline.", "muted")
    )
    return Section("expectations", "Expectations", tuple(blocks))


def _tone(totals: Mapping[Status, int]) -> Tone:
    return "bad" if totals["failed"] else "warn" if totals["warning"] + totals["accepted"] else "good"


def _problems(tables: Sequence[tuple[str, RulesJudged]]) -> Iterator[TableRow]:
    for name, table in tables:
        for problem in table.problems:
            column = f" ({problem.column})" if problem.column else ""
            status = Cell(problem.status, tone=_TONES[problem.status])
            yield TableRow((Cell(name), Cell(problem.rule + column), status, Cell(sentence(problem.sentence))))


def _counts(tables: Sequence[tuple[str, RulesJudged]]) -> PageTable:
    heads = (TableHead("Table"), *(TableHead(status.capitalize(), numeric=True) for status in STATUSES))
    rows = tuple(
        TableRow((Cell(name), *(Cell(count(table.verdicts[status]), numeric=True) for status in STATUSES)))
        for name, table in reversed(tables)
    )
    return PageTable("Rules by outcome", heads, rows)
