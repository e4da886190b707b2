"""The reign of a champion's configuration as the ledger tells it: when it began, what began it, and its nights' evidence.

Everything is a function of a night and of the first events of the ledger, which run.yaml names by a hash of what they say.
"""

import datetime as dt
from collections.abc import Iterator, Sequence
from pathlib import Path

from tasks.core.errors import RegistryError
from tasks.core.files import hash_value
from tasks.gate.config import GatePolicy
from tasks.gate.evidence import Increment, Reign, Step
from tasks.gate.evidence_process import Process
from tasks.registry.entry import ENTRIES, read_manifest
from tasks.registry.ledger import LEDGER, Event, read_ledger
from tasks.registry.replay import WITHOUT_EFFECT, changes, current, decided_in_order, succession

NO_LEDGER = "none"
"""Name of no event."""
_REFRESHES = ("refresh", "refresh_by_age")


def ledger_for(registry: Path, as_of: dt.date) -> str:
    """Return the name of the events up to the last that took effect before night `as_of` was decided; "none": of no event.

    It is a hash of what they say without when they were written, so that equal histories have equal names.

    Raises:
        RegistryError: if the ledger was tampered with.
    """
    events = _with_effect(registry)
    known = [name for event, name in zip(events, _names(events), strict=True) if event.effective_from <= as_of]
    return known[-1] if known else NO_LEDGER


def _with_effect(registry: Path) -> list[Event]:
    """Return the events but for replays: a night run again after later ones does not change what those may read."""
    return [event for event in read_ledger(registry) if event.kind not in WITHOUT_EFFECT]


def _names(events: Sequence[Event]) -> Iterator[str]:
    """Yield, per event, the name of all up to it."""
    name = NO_LEDGER
    for event in events:
        said = event.model_dump(mode="json", exclude={"recorded_at", "previous_hash", "hash"})
        name = hash_value([name, said])
        yield name


def pinned_events(registry: Path, ledger: str) -> tuple[Event, ...]:
    """Return the events of a name; none for "none".

    Raises:
        RegistryError: if the ledger was tampered with or does not begin with those events.
    """
    if ledger == NO_LEDGER:
        return ()
    events = _with_effect(registry)
    length = next((count for count, name in enumerate(_names(events), start=1) if name == ledger), None)
    if length is None:
        raise RegistryError(
            f"{registry / LEDGER} does not begin with the events {ledger}, which run.yaml pins: `dwell prepare` "
            "writes the right name"
        )
    return tuple(events[:length])


def reign_at(registry: Path, known: Sequence[Event], as_of: dt.date, policy: GatePolicy) -> Reign:
    """Return the reign that stands on a night.

    Args:
        registry: the registry of one source.
        known: the events that the night may read (`pinned_events`).
        as_of: the night that is about to be decided.
        policy: how many nights are compared with baselines together, and when the anchor moves.

    Raises:
        RegistryError: if an entry cannot be read.
    """
    beginnings = _beginnings(registry, known, as_of)
    began = beginnings[-1] if beginnings else None
    since = began.effective_from if began else None
    written = list(_first_written(known, as_of))
    reign = Reign(
        since=since,
        number=max(1, len(beginnings)),
        increments=tuple(_selected(written, since, policy.upgrade_days - 1)),
    )
    if began is None or began.entry is None:
        return reign
    configuration = read_manifest(registry / ENTRIES / began.entry, began.entry).recipe_hash
    anchor = _anchor(reign, configuration, began.entry, known, policy)
    return reign.model_copy(update={"anchor": anchor})


def _anchor(reign: Reign, configuration: str, began: str, events: Sequence[Event], policy: GatePolicy) -> str:
    """Return the entry that refreshes are held to: the one that began the reign, or a later one that took its place.

    A model of last year says little about today's rows, so after every `anchor_nights` on which the refits were shown not to
    lie half a margin below the anchor, the champion of that night takes its place. What its moves count as lost is bounded by
    twice the margin.
    """
    anchor, lost = began, 0.0
    while (moved := _moved(reign, configuration, anchor, lost, events, policy)) is not None:
        anchor, lost = moved
    return anchor


def _moved(
    reign: Reign, configuration: str, anchor: str, lost: float, events: Sequence[Event], policy: GatePolicy
) -> tuple[str, float] | None:
    """Return the entry that takes the anchor's place first, and what is lost by then; None: none does."""
    steps: list[Step] = []
    for night, step in reign.by_night(configuration, reference=anchor).items():
        steps.append(step)
        spent = loss_of_moving(steps, lost, policy)
        if spent is None:
            continue
        standing = current(succession(events, night + dt.timedelta(days=1)))
        if standing is not None and standing != anchor:
            return standing, spent
    return None


def loss_of_moving(steps: Sequence[Step], lost: float, policy: GatePolicy) -> float | None:
    """Return what is lost in all if the anchor moves after these nights of refits against it; None: it may not move.

    Args:
        steps: the nights, in order.
        lost: by the moves before.
        policy: nights needed, and the margin.
    """
    if len(steps) < policy.anchor_nights:
        return None
    process = Process.of([step.delta for step in steps], [step.standard_error for step in steps])
    spent = lost + max(0.0, -process.mean)
    shown = process.lower(policy.significance) >= -policy.anchor_margin / 2 and spent <= 2 * policy.anchor_margin
    return spent if shown else None


def _beginnings(registry: Path, events: Sequence[Event], as_of: dt.date) -> list[Event]:
    """Return the events that began reigns, the present one's last; none where there is no champion.

    Refreshes continue a reign, and so does a rollback between two entries of one configuration. What a person promoted by
    force begins one.
    """
    if current(succession(events, as_of)) is None:
        return []
    found: list[Event] = []
    configuration = None
    for event in changes(events, as_of):
        entry = read_manifest(registry / ENTRIES / event.entry, event.entry) if event.entry else None
        continues = event.kind == "rolled_back" or (entry is not None and entry.kind in _REFRESHES)
        if entry is not None and not (continues and entry.recipe_hash == configuration):
            found.append(event)
        configuration = entry.recipe_hash if entry is not None else None
    return found


def _first_written(events: Sequence[Event], as_of: dt.date) -> Iterator[Increment]:
    """Yield the increments of nights before `as_of`, each once: a night that is run again does not replace what it said.

    A night decided after a later one adds nothing: its challengers may have been chosen by what that day showed.
    """
    written = set()
    for event in decided_in_order(events):
        for increment in event.increments:
            if increment.night < as_of and increment.key not in written:
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
