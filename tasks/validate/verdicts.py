"""What a table rule found, and the error that lists every rule that stops the run."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from tasks.core.errors import ValidationFailed
from tasks.validate.config import Accepted

Status = Literal["passed", "warning", "failed", "accepted", "skipped"]


@dataclass(frozen=True)
class Verdict:
    """One table rule on one table.

    Attributes:
        rule: the rule's name; `column` narrows it, "" for the whole table.
        day: ISO day of the partition, or the name of a side table.
        status: "failed" stops the run; "accepted" would, had a person not let the day pass; "skipped" was not judged.
        observed, expected: in words, with units.
        advice: what to do when it fails.
        value: the measured number, where there is one.
        details: what Great Expectations reported, where it judged.
    """

    rule: str
    day: str
    status: Status
    observed: str
    expected: str
    advice: str
    column: str = ""
    value: float | None = None
    details: dict[str, Any] | None = None

    def as_json(self) -> dict[str, Any]:
        """Return the verdict as JSON values."""
        return asdict(self)

    @property
    def sentence(self) -> str:
        """The verdict in one line, for errors and logs."""
        name = f"{self.rule}({self.column})" if self.column else self.rule
        return f"{self.day} {name}: {self.observed}, expected {self.expected}; {self.advice}"


def accept(verdicts: Iterable[Verdict], accepted: Sequence[Accepted]) -> list[Verdict]:
    """Let the failures pass that a person has accepted."""
    because: dict[tuple[str, str], str] = {(item.day.isoformat(), item.rule): item.because for item in accepted}
    found = []
    for verdict in verdicts:
        reason = because.get((verdict.day, verdict.rule)) if verdict.status == "failed" else None
        found.append(verdict if reason is None else replace(verdict, status="accepted", advice=f"accepted: {reason}"))
    return found


def stop(failures: Sequence[Verdict], kept_at: Path) -> ValidationFailed:
    """Return the error for rules that stop the run."""
    lines = [f"{len(failures)} table rule(s) stop the run; results, Data Docs and quarantined rows are in {kept_at}"]
    return ValidationFailed("\n".join([*lines, *(f"  {failure.sentence}" for failure in failures)]))
