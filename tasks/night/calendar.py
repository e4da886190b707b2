"""The nights of a source, one line each: what came of each, what has changed since, and the command that fills a hole."""

import datetime as dt
import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from tasks.core.document import Document, read_optional
from tasks.core.errors import ConfigError, ContractError
from tasks.core.layout import Workspace
from tasks.core.manifest import product_hash
from tasks.core.run_key import RunKey, load_run_key
from tasks.registry import Registry
from tasks.registry.ledger import Event
from tasks.registry.replay import counts
from tasks.report.operations import FILE, Operations

_DAY = dt.timedelta(days=1)
_HOLES = ("missing", "failed", "interrupted")


class Failure(Document):
    """A night that was begun and came to no decision."""

    reason: str
    """the error's first line"""
    at: str
    """wall clock, UTC; for people"""
    problems: tuple[str, ...] = ()
    """every line of the error"""
    log: tuple[str, ...] = ()
    """the last lines of the stage that failed"""


@dataclass(frozen=True)
class CalendarNight:
    """One night.

    Attributes:
        as_of: it.
        outcome: promoted, kept, refused, lapsed; missing, failed, interrupted, running.
        reason: what the ledger, or the error, says.
        remarks: what has changed since it ran.
    """

    as_of: dt.date
    outcome: str
    reason: str = ""
    remarks: tuple[str, ...] = ()

    @property
    def is_hole(self) -> bool:
        """Whether it came to no decision."""
        return self.outcome in _HOLES

    def __str__(self) -> str:
        said = "; ".join((*([self.reason] if self.reason else []), *self.remarks))
        return f"{self.as_of} {self.outcome:11s} {said}".rstrip()


@dataclass(frozen=True)
class Calendar:
    """Consecutive nights of one source, oldest first."""

    source: str
    nights: tuple[CalendarNight, ...]

    @property
    def holes(self) -> tuple[CalendarNight, ...]:
        """Nights that came to no decision."""
        return tuple(night for night in self.nights if night.is_hole)

    @property
    def last_attempt(self) -> CalendarNight | None:
        """The latest night that was begun; None: none was."""
        return next((night for night in reversed(self.nights) if night.outcome != "missing"), None)

    @property
    def remedies(self) -> tuple[str, ...]:
        """One command per run of nights that came to no decision."""
        return tuple(
            f"dwell backfill --from {first} --to {last} --source {self.source}" for first, last in _runs(self.nights)
        )

    def lines(self) -> Iterator[str]:
        """Yield what a person reads."""
        yield from map(str, self.nights)
        if not self.nights:
            yield f"no night of {self.source} is decided yet: `dwell nightly --source {self.source}` runs the first"
        for remedy in self.remedies:
            yield f"to fill: {remedy}"


def calendar(workspace: Workspace, source: str, latest: dt.date | None, last: int, at_work: bool = False) -> Calendar:
    """Look at the nights of a source.

    Args:
        workspace: where they ran.
        source: its name.
        latest: the last night that could have run; None: the last one that did, or was tried.
        last: how many nights to show.
        at_work: whether a process is at work in the workspace.

    Raises:
        RegistryError: if the ledger was tampered with.
    """
    events = Registry(workspace.registry(source)).history()
    decided = {event.as_of: event for event in events if counts(event)}
    for event in events:
        if event.kind == "replayed":
            decided.setdefault(event.as_of, event)
    failed = failures(workspace, source)
    open_night = _open_night(workspace, source, decided)
    tried = sorted({*decided, *failed, *([open_night] if open_night else [])})
    if not tried:
        return Calendar(source, ())
    end = max([tried[-1], *([latest] if latest else [])])
    first = max(tried[0], end - (last - 1) * _DAY)
    archived = {night: _operations(workspace, source, night) for night in decided}
    newest = _newest_rows(archived)
    nights = []
    for number in range((end - first).days + 1):
        night = first + number * _DAY
        if night in decided:
            remarks = tuple(_remarks(archived[night], newest))
            nights.append(CalendarNight(night, decided[night].kind, decided[night].reason, remarks))
        elif night == open_night and at_work:
            nights.append(CalendarNight(night, "running"))
        elif night in failed:
            nights.append(CalendarNight(night, "failed", failed[night].reason))
        else:
            nights.append(CalendarNight(night, "interrupted" if night == open_night else "missing"))
    return Calendar(source, tuple(nights))


def note_failure(workspace: Workspace, key: RunKey, error: BaseException, log: Sequence[str] = ()) -> None:
    """Keep why a night came to no decision, until it comes to one.

    Args:
        workspace: where it ran.
        key: the night.
        error: what ended it.
        log: the last lines of the stage that failed.
    """
    problems = str(error).strip().splitlines() or [type(error).__name__]
    at = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
    path = workspace.failure(key.source, key.as_of)
    path.parent.mkdir(parents=True, exist_ok=True)
    Failure(reason=problems[0], at=at, problems=tuple(problems), log=tuple(log)).write(path)


def failures(workspace: Workspace, source: str) -> dict[dt.date, Failure]:
    """Return the nights of a source that failed and came to no decision since, and why."""
    found = {}
    for path in sorted(workspace.failure(source, dt.date.min).parent.glob("*.json")):
        failure = read_optional(path, Failure, "that failed")
        if failure is not None:
            found[dt.date.fromisoformat(path.stem)] = failure
    return found


def _open_night(workspace: Workspace, source: str, decided: Mapping[dt.date, Event]) -> dt.date | None:
    """Return the night in run.yaml if it is of this source and came to no decision."""
    try:
        key = load_run_key(workspace.run_key)
    except ConfigError:  # none yet, or cut short: the next night writes it
        return None
    return key.as_of if key.source == source and key.as_of not in decided else None


def _operations(workspace: Workspace, source: str, night: dt.date) -> Operations | None:
    """Return how a night went; None where it is not archived any more, or by another version."""
    try:
        return read_optional(workspace.night(source, night) / FILE, Operations, "publish")
    except ContractError:
        return None


def _newest_rows(archived: Mapping[dt.date, Operations | None]) -> dict[str, str]:
    """Return day -> hash of its rows, as the latest night that read them found them."""
    newest: dict[str, str] = {}
    for night in sorted(archived):
        operations = archived[night]
        if operations is not None:
            newest |= operations.days
    return newest


def _remarks(operations: Operations | None, newest: Mapping[str, str]) -> Iterator[str]:
    if operations is None:
        return
    changed = [day for day, rows in operations.days.items() if newest[day] != rows]
    if changed:
        some = ", ".join(changed[:3]) + (f" and {len(changed) - 3} more" if len(changed) > 3 else "")
        yield f"rows of {some} have changed since it ran"
    if operations.code is not None and operations.code != product_hash():
        yield "other code than today's"


def _runs(nights: Sequence[CalendarNight]) -> Iterator[tuple[dt.date, dt.date]]:
    """Yield first and last of every run of nights that came to no decision."""
    for is_hole, run in itertools.groupby(nights, key=lambda night: night.is_hole):
        found = [night.as_of for night in run]
        if is_hole:
            yield found[0], found[-1]
