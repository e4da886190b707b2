"""Which rules the data were held against, and which did not hold."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tasks.report.formatting import count, plural, sentence
from tasks.report.view import Block, Cell, Head, Row, Section, Table, Text, Tone, fold

STATUSES = ("failed", "warning", "accepted", "skipped", "passed")
_TONES: Mapping[str, Tone] = {"failed": "bad", "warning": "warn", "accepted": "warn", "passed": "good"}


def expectations(summary: Mapping[str, Any]) -> Section:
    """Return the section: totals, whatever warned or failed in full, counts per table folded away."""
    tables = [(day["day"], day) for day in summary["days"]] + list(summary["side_tables"].items())
    totals = {status: sum(table["verdicts"][status] for _, table in tables) for status in STATUSES}
    said = ", ".join(f"{count(totals[status])} {status}" for status in STATUSES if totals[status])
    blocks: list[Block] = [Text(f"{plural(sum(totals.values()), 'rule')} judged: {said}.", _tone(totals))]
    problems = tuple(_problems(tables))
    if problems:
        blocks.append(
            Table(
                "What did not hold as it should",
                (Head("Table"), Head("Rule"), Head("Outcome"), Head("In words")),
                problems,
            )
        )
    blocks.append(fold("Counts by table", _counts(tables)))
    blocks.append(
        Text("Every rule with what was observed: data/validated/docs/index.html, which opens offline.", "muted")
    )
    return Section("expectations", "Expectations", tuple(blocks))


def _tone(totals: Mapping[str, int]) -> Tone:
    return "bad" if totals["failed"] else "warn" if totals["warning"] + totals["accepted"] else "good"


def _problems(tables: Sequence[tuple[str, Mapping[str, Any]]]) -> Iterator[Row]:
    for name, table in tables:
        for problem in table["problems"]:
            column = f" ({problem['column']})" if problem["column"] else ""
            status = Cell(problem["status"], tone=_TONES[problem["status"]])
            yield Row((Cell(name), Cell(problem["rule"] + column), status, Cell(sentence(problem["sentence"]))))


def _counts(tables: Sequence[tuple[str, Mapping[str, Any]]]) -> Table:
    heads = (Head("Table"), *(Head(status.capitalize(), numeric=True) for status in STATUSES))
    rows = tuple(
        Row((Cell(name), *(Cell(count(table["verdicts"][status]), numeric=True) for status in STATUSES)))
        for name, table in reversed(tables)
    )
    return Table("Rules by outcome", heads, rows)
