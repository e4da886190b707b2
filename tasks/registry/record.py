"""Write to the registry: a night's decision, a forced promotion, a rollback, a retirement. Each leaves exactly one event.

Content goes in before the ledger names it, so a crash in between leaves an entry nobody refers to, and the next
attempt finds it there.
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tasks.attribution.document import FieldRanks
from tasks.core.errors import RegistryError
from tasks.gate.decision import Decision
from tasks.registry.entry import ENTRIES, Provenance, add_entry, read_entry
from tasks.registry.evidence import add_evidence
from tasks.registry.forecast import NightForecast
from tasks.registry.ledger import NO_CHAMPION, Event, EventKind, NewEvent, append, locked, read_ledger
from tasks.registry.replay import BY_A_PERSON, WITHOUT_EFFECT, counts, current, invalidated, last_night, succession

_DAY = dt.timedelta(days=1)
_KINDS: Mapping[str, EventKind] = {"promote": "promoted", "keep": "kept", "refuse": "refused"}


@dataclass(frozen=True)
class NightArtifacts:
    """What a night leaves behind, for the registry to copy.

    Attributes:
        source: name of the source.
        bundles: challenger -> folder of its model bundle.
        predictions: challenger -> its judge table.
        champion_predictions: the champion's judge table.
        provenance: content hashes of data, code and configuration.
        metrics: challenger -> its headline metrics.
        forecast: what the night forecast.
        field_ranks: challenger -> ranks of the fields that its network reads.
    """

    source: str
    bundles: Mapping[str, Path]
    predictions: Mapping[str, Path]
    champion_predictions: Path | None
    provenance: Provenance
    metrics: Mapping[str, dict[str, Any]] = field(default_factory=dict)
    forecast: NightForecast | None = None
    field_ranks: Mapping[str, FieldRanks] = field(default_factory=dict)


def register(registry: Path, night: NightArtifacts, decision: Decision, rewrite: bool = False) -> Event:
    """Record the gate's decision of a night; the same decision twice leaves one event.

    History is not rewritten: where later nights are decided, another decision is a replay, which changes nothing. Of a night
    that was missed its judge tables are kept, so that later ones can pool them.

    Args:
        registry: the registry of one source.
        night: the night's artifacts.
        decision: what the gate decided.
        rewrite: let it count all the same; who served in the nights after it was then compared with another champion.

    Raises:
        RegistryError: if the champion it was held against is no longer the one of that night, if an artifact is
            missing, or if the ledger was tampered with.
        StorageError: if the registry cannot be written.
    """
    if decision.kind == "forced":
        raise RegistryError("a forced decision is recorded with `force`, which asks for its reason")
    with locked(registry):
        events = read_ledger(registry)
        of_night = [event for event in events if event.as_of == decision.as_of and event.kind not in BY_A_PERSON]
        counted = [event for event in of_night if counts(event)]
        replays = [] if rewrite else [event for event in of_night if event.kind in WITHOUT_EFFECT]
        for event in (*counted[-1:], *replays):
            if event.decision == decision.id:
                return event
        if invalidated(events, decision.as_of) and not rewrite:
            return _replay(registry, night, decision, events, missed=not of_night)
        lapsed = decision.retired is not None and decision.winner is None
        return _record(registry, night, decision, "lapsed" if lapsed else _KINDS[decision.verdict], events)


def force(registry: Path, night: NightArtifacts, decision: Decision, challenger: str, reason: str) -> Event:
    """Promote a challenger against, or without, the gate's word. Entry and ledger bear the mark for ever.

    Args:
        registry: the registry of one source.
        night: the night's artifacts.
        decision: what the gate had decided.
        challenger: name of the recipe to promote.
        reason: why; may not be empty.

    Raises:
        ConfigError: if the reason is empty or there is no such challenger.
        RegistryError: if a later night is already decided, or as for `register`.
    """
    forced = decision.forced(challenger, reason)
    with locked(registry):
        events = read_ledger(registry)
        same = [event for event in events if event.kind == "forced" and event.decision == forced.id]
        if same and events[-1] is same[-1]:
            return same[-1]
        _refuse_rewriting(events, decision.as_of + _DAY, "force a promotion")
        return _record(registry, night, forced, "forced", events)


def rollback(registry: Path, to: str | None, reason: str, as_of: dt.date | None = None) -> Event:
    """Point back to an earlier champion. Nothing is deleted: roll back to the newer entry to undo it.

    Args:
        registry: the registry of one source.
        to: entry id; None: the champion before the present one; "none": no champion, as on the first night.
        reason: why; may not be empty.
        as_of: first night it holds for; None: the one after the last night decided.

    Raises:
        RegistryError: if the reason is empty, the entry never was champion, is champion already or is damaged, there
            is none to go back to, or a night from `as_of` on is already decided.
    """
    if not reason.strip():
        raise RegistryError("a rollback needs a reason")
    return _point(registry, "rolled_back", to, reason, as_of)


def retire(registry: Path, reason: str, as_of: dt.date | None = None) -> Event:
    """Let the champion go: the next night makes a first one, as if there had been none. Undone by a rollback.

    Args:
        registry: the registry of one source.
        reason: why; may not be empty.
        as_of: first night it holds for; None: the one after the last night decided.

    Raises:
        RegistryError: if the reason is empty, there is no champion, or a night from `as_of` on is already decided.
    """
    if not reason.strip():
        raise RegistryError("a retirement needs a reason")
    return _point(registry, "retired", NO_CHAMPION, reason, as_of)


def _point(registry: Path, kind: EventKind, to: str | None, reason: str, as_of: dt.date | None) -> Event:
    verb, whom = ("retire", " the champion") if kind == "retired" else ("roll back", "")
    with locked(registry):
        events = read_ledger(registry)
        last = last_night(events)
        if last is None:
            raise RegistryError(f"{registry} records no night: there is nothing to {verb}")
        holds_from = as_of or last + _DAY
        _refuse_rewriting(events, holds_from, verb + whom)
        line = succession(events)
        target = _target(registry, to, events, line)
        new = NewEvent(
            kind=kind,
            as_of=holds_from,
            effective_from=holds_from,
            entry=None if target == NO_CHAMPION else target,
            previous=current(line),
            reason=reason.strip(),
        )
        return append(registry, new)


def _record(
    registry: Path, night: NightArtifacts, decision: Decision, kind: EventKind, events: Sequence[Event]
) -> Event:
    standing = _standing(events, decision)
    evidence = add_evidence(registry, decision, night.predictions, night.champion_predictions)
    entry = decision.champion
    if decision.winner is not None:
        bundle, metrics = night.bundles.get(decision.winner), night.metrics.get(decision.winner, {})
        if bundle is None:
            raise RegistryError(f"night {decision.as_of}: no bundle was given for the winner {decision.winner}")
        entry = add_entry(registry, night.source, decision, bundle, night.provenance, dict(metrics))
    event = _of_night(decision, kind, entry, standing, evidence)
    return append(registry, event.model_copy(update={"forecast": night.forecast, "field_ranks": night.field_ranks}))


def _replay(registry: Path, night: NightArtifacts, decision: Decision, events: Sequence[Event], missed: bool) -> Event:
    standing = _standing(events, decision)
    evidence = add_evidence(registry, decision, night.predictions, night.champion_predictions) if missed else None
    said = f"run after later nights, without effect; the gate said {decision.verdict}: {decision.reason}"
    event = _of_night(decision, "replayed", standing, standing, evidence)
    return append(registry, event.model_copy(update={"reason": said, "increments": ()}))


def _of_night(
    decision: Decision, kind: EventKind, entry: str | None, previous: str | None, evidence: str | None
) -> NewEvent:
    return NewEvent(
        kind=kind,
        as_of=decision.as_of,
        effective_from=decision.as_of + _DAY,
        entry=entry,
        previous=previous,
        decision=decision.id,
        evidence=evidence,
        reason=decision.reason,
        increments=tuple(increment for verdict in decision.challengers for increment in verdict.increments),
    )


def _standing(events: Sequence[Event], decision: Decision) -> str | None:
    """Return the champion of a night.

    Raises:
        RegistryError: if the night was decided against another.
    """
    standing = current(succession(events, decision.as_of))
    if decision.pinned != standing:
        raise RegistryError(
            f"night {decision.as_of} was decided against champion {decision.pinned or NO_CHAMPION}, but the registry "
            f"now says {standing or NO_CHAMPION}: prepare and run the night again"
        )
    return standing


def _target(registry: Path, to: str | None, events: Sequence[Event], line: Sequence[str]) -> str:
    standing = current(line) or NO_CHAMPION
    if to is None:
        if len(line) < 2:
            raise RegistryError(
                f"{standing} is the first champion: there is none to go back to (name 'none' to serve none)"
            )
        to = line[-2]
    if to == standing:
        raise RegistryError("there is no champion" if to == NO_CHAMPION else f"{to} is the champion already")
    if to != NO_CHAMPION:
        served = sorted({event.entry for event in events if event.entry is not None})
        if to not in served:
            raise RegistryError(f"entry {to} never was champion; these were: {', '.join(served) or NO_CHAMPION}")
        read_entry(registry / ENTRIES / to, to)
    return to


def _refuse_rewriting(events: Sequence[Event], holds_from: dt.date, action: str) -> None:
    """What a recorded night started from may not be changed behind it: its rerun would find another champion."""
    last = last_night(events)
    if last is not None and last >= holds_from:
        raise RegistryError(
            f"cannot {action} from night {holds_from} on: night {last} is already decided; use {last + _DAY}"
        )
