"""What the registry said on a given night: the ledger replayed up to it, so that a rerun finds what the first found."""

import datetime as dt
from collections.abc import Iterator, Sequence
from pathlib import Path

from tasks.core.settings import Block
from tasks.registry.entry import ENTRIES, Entry, read_entry
from tasks.registry.ledger import NO_CHAMPION, Event, read_ledger

BY_A_PERSON = ("forced", "rolled_back", "retired")
"""Events that overrule what the night itself decided for the same date."""
WITHOUT_EFFECT = ("replayed",)
"""Events that tell what was done and change nothing."""

_WITHOUT_A_NIGHT = ("rolled_back", "retired")
"""Events that decide no night."""

_CHANGING = ("promoted", "lapsed")
"""Decisions of a night after which another champion stands, or none."""

_SHOWN = 5


class RegistryStatus(Block):
    """Where the registry of one source stands."""

    champion: str | None
    """entry that the next night has to beat"""
    entry: Entry | None
    """its manifest"""
    since: dt.date | None
    """first night it was champion of, without interruption"""
    last_night: dt.date | None
    """latest night decided"""
    events: int
    """length of the ledger"""
    latest: tuple[Event, ...]
    """the last few, oldest first"""

    @property
    def age(self) -> int:
        """Days from the night that fitted the champion to the last one decided; 0 without either."""
        return (self.last_night - self.entry.as_of).days if self.last_night and self.entry else 0

    def __str__(self) -> str:
        if self.champion is None or self.entry is None:
            lines = ["champion: none"]
        else:
            fitted = (
                f"{self.entry.recipe} of night {self.entry.as_of}, {self.age} day{'' if self.age == 1 else 's'} old"
            )
            lines = [f"champion: {self.champion} ({fitted}), since night {self.since}"]
            if self.entry.forced_reason is not None:
                lines.append(f"  promoted by force: {self.entry.forced_reason}")
        lines.append(f"last night decided: {self.last_night or 'none'}; {self.events} events")
        lines += [f"  {event.as_of} {event.kind:11s} {event.entry or '-':16s} {event.reason}" for event in self.latest]
        return "\n".join(lines)


def champion_for(registry: Path, as_of: dt.date) -> str | None:
    """Return the entry that night `as_of` has to beat; None: there is none.

    A night's decision counts for later nights only. A rollback or a retirement counts from its own `as_of` on.

    Raises:
        RegistryError: if the ledger was tampered with.
    """
    return current(succession(read_ledger(registry), as_of))


def evidence_for(registry: Path, as_of: dt.date, days: int = 7) -> tuple[str, ...]:
    """Return ids of the evidence of the last nights before `as_of`, oldest first.

    Args:
        registry: the registry of one source.
        as_of: the night that is about to run.
        days: judge days to pool; night `as_of` brings one itself, so `days - 1` earlier ones are named.

    Raises:
        RegistryError: if the ledger was tampered with.
    """
    latest: dict[dt.date, str] = {}
    for event in read_ledger(registry):
        if event.evidence is not None and event.as_of < as_of:
            latest[event.as_of] = event.evidence
    nights = sorted(latest)
    return tuple(latest[night] for night in nights[max(0, len(nights) - (days - 1)) :])


def history(registry: Path) -> tuple[Event, ...]:
    """Return every event, oldest first.

    Raises:
        RegistryError: if the ledger was tampered with.
    """
    return read_ledger(registry)


def status(registry: Path) -> RegistryStatus:
    """Return where the registry stands after everything recorded.

    Raises:
        RegistryError: if the ledger was tampered with, or the champion's entry is damaged.
    """
    events = read_ledger(registry)
    champion = current(succession(events))
    entry = read_entry(registry / ENTRIES / champion, champion) if champion else None
    return RegistryStatus(
        champion=champion,
        entry=entry,
        since=_since(events, champion),
        last_night=last_night(events),
        events=len(events),
        latest=events[-_SHOWN:],
    )


def last_night(events: Sequence[Event]) -> dt.date | None:
    """Return the latest night that was decided."""
    return max((event.as_of for event in events if event.kind not in _WITHOUT_A_NIGHT), default=None)


def counts(event: Event) -> bool:
    """Whether an event is what a night itself decided: no replay of it, and nothing a person did."""
    return event.kind not in (*BY_A_PERSON, *WITHOUT_EFFECT)


def decided_in_order(events: Sequence[Event]) -> Iterator[Event]:
    """Yield the decisions of nights, without those made after a later night was decided: its data were known by then."""
    latest = dt.date.min
    for event in events:
        if event.kind not in _WITHOUT_A_NIGHT and event.as_of >= latest:
            latest = event.as_of
            yield event


def decided_before(known: Sequence[Event], as_of: dt.date) -> Iterator[Event]:
    """Yield what nights before `as_of` decided in order and what counts; of a night decided more than once the last comes last.

    Args:
        known: the events that night `as_of` may read (`reign.pinned_events`).
        as_of: the night that is about to run.
    """
    return (event for event in decided_in_order(known) if counts(event) and event.as_of < as_of)


def invalidated(events: Sequence[Event], as_of: dt.date) -> tuple[dt.date, ...]:
    """Return the later nights that were decided against what followed from a night's decision, in order."""
    return tuple(sorted({event.as_of for event in events if event.as_of > as_of and counts(event)}))


def succession(events: Sequence[Event], as_of: dt.date | None = None) -> list[str]:
    """Return the line of champions up to night `as_of` (None: up to now), the present one last.

    A rollback takes off those after the entry it returns to; a later rollback then goes further back. Of a night that
    was decided more than once, the last decision counts, unless it was a replay.
    """
    line: list[str] = []
    for event in changes(events, as_of):
        entry = event.entry or NO_CHAMPION
        if event.kind == "rolled_back" and entry in line:
            del line[line.index(entry) + 1 :]
        elif not line or line[-1] != entry:
            line.append(entry)
    return line


def current(line: Sequence[str]) -> str | None:
    """Return the champion at the end of a line of succession."""
    return line[-1] if line and line[-1] != NO_CHAMPION else None


def changes(events: Sequence[Event], as_of: dt.date | None) -> list[Event]:
    """Return the events that name a champion up to night `as_of` (None: up to now), in the order they count."""
    decided = {event.as_of: event for event in events if counts(event)}
    chosen = [
        event
        for event in events
        if event.kind in BY_A_PERSON or (event.kind in _CHANGING and decided[event.as_of] is event)
    ]
    if as_of is not None:
        chosen = [event for event in chosen if event.effective_from <= as_of]
    return sorted(chosen, key=lambda event: (event.effective_from, event.kind in BY_A_PERSON, event.sequence))


def _since(events: Sequence[Event], champion: str | None) -> dt.date | None:
    """Return the date of the last change that led to the present champion."""
    since, before = None, None
    for event in changes(events, None):
        if event.entry != before:
            since, before = event.effective_from, event.entry
    return since if champion is not None else None
