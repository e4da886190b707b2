"""The reign of a champion's configuration as the ledger tells it: when it began, what began it, and its nights' evidence.

Everything is a function of a night and of a prefix of the ledger, which the hash of its last event names.
"""

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tasks.core.errors import RegistryError
from tasks.gate.evidence import Increment, Reign
from tasks.registry.entry import ENTRIES, read_manifest
from tasks.registry.ledger import LEDGER, Event, read_ledger
from tasks.registry.replay import changes, current, succession

NO_LEDGER = "none"
"""Stands for the hash of the last event where there is none."""
_REFRESHES = ("refresh", "refresh_by_age")


@dataclass(frozen=True)
class PinnedReign:
    """What settles a reign.

    Attributes:
        as_of: the night that is about to be decided.
        ledger: hash of the last event that it may read, or "none".
        nights: how many of the last nights, the night itself included, are compared with baselines together.
    """

    as_of: dt.date
    ledger: str
    nights: int


def ledger_for(registry: Path, as_of: dt.date) -> str:
    """Return the hash of the last event that took effect before night `as_of` was decided; "none" if there is none.

    Raises:
        RegistryError: if the ledger was tampered with.
    """
    known = [event.hash for event in read_ledger(registry) if event.effective_from <= as_of]
    return known[-1] if known else NO_LEDGER


def reign_at(registry: Path, pinned: PinnedReign) -> Reign:
    """Return the reign that stands on a night.

    Raises:
        RegistryError: if the ledger was tampered with or does not hold the event pinned, or an entry cannot be read.
    """
    if pinned.ledger == NO_LEDGER:
        return Reign()
    events = read_ledger(registry)
    last = next((event.sequence for event in events if event.hash == pinned.ledger), None)
    if last is None:
        raise RegistryError(
            f"{registry / LEDGER} holds no event {pinned.ledger}, which run.yaml pins: `dwell prepare` writes the right one"
        )
    known = events[: last + 1]
    began = _began(registry, known, pinned.as_of)
    since = began.effective_from if began else None
    increments = tuple(_selected(list(_first_written(known, pinned.as_of)), since, pinned.nights - 1))
    return Reign(since=since, anchor=began.entry if began else None, increments=increments)


def _began(registry: Path, events: Sequence[Event], as_of: dt.date) -> Event | None:
    """Return the event that made the present configuration champion; None where there is no champion.

    Refreshes continue a reign, and so does a rollback between two entries of one configuration. What a person promoted by
    force begins one.
    """
    champion = current(succession(events, as_of))
    if champion is None:
        return None
    configuration = read_manifest(registry / ENTRIES / champion, champion).recipe_hash
    began = None
    for event in reversed(changes(events, as_of)):
        if event.entry is None:
            break
        entry = read_manifest(registry / ENTRIES / event.entry, event.entry)
        if entry.recipe_hash != configuration:
            break
        began = event
        if event.kind != "rolled_back" and entry.kind not in _REFRESHES:
            break
    return began


def _first_written(events: Sequence[Event], as_of: dt.date) -> Iterator[Increment]:
    """Yield the increments of nights before `as_of`, each once: a night that is run again does not replace what it said.

    A night decided after a later one adds nothing: its challengers may have been chosen by what that day showed.
    """
    written = set()
    latest = dt.date.min
    for event in events:
        in_order = event.as_of >= latest
        if event.kind != "rolled_back":
            latest = max(latest, event.as_of)
        for increment in event.increments:
            if in_order and increment.night < as_of and increment.key not in written:
                written.add(increment.key)
                yield increment


def _selected(increments: Sequence[Increment], since: dt.date | None, nights: int) -> Iterator[Increment]:
    """Yield those of the reign, and those against baselines of the last nights."""
    judged = sorted({increment.night for increment in increments})
    last = judged[max(0, len(judged) - nights) :]
    for increment in increments:
        if increment.against == "baseline":
            if increment.night in last:
                yield increment
        elif since is not None and increment.night >= since:
            yield increment
