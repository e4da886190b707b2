"""The registry of one source, bound to its folder: the one object that flows and the command line need."""

import datetime as dt
from dataclasses import dataclass
from pathlib import Path

from tasks.core.errors import ConfigError, RegistryError
from tasks.core.layout import Workspace
from tasks.core.run_key import RunKey
from tasks.gate.decision import Decision
from tasks.registry import record, reign, replay
from tasks.registry.entry import ENTRIES
from tasks.registry.ledger import NO_CHAMPION, Event
from tasks.registry.night import gather
from tasks.registry.replay import RegistryStatus

_SHORTEST = 6
"""Letters of an id that name an entry."""


@dataclass(frozen=True)
class Registry:
    """Promoted models, evidence and ledger of one source.

    Attributes:
        path: its folder; need not exist before the first night is recorded.
    """

    path: Path

    @property
    def entries(self) -> tuple[str, ...]:
        """Ids of all entries, sorted."""
        return tuple(sorted(path.name for path in (self.path / ENTRIES).glob("*") if path.is_dir()))

    def entry_named(self, text: str) -> str | None:
        """Return the id of the entry that a person names by it, or by its beginning; None: there is none.

        Raises:
            ConfigError: if several begin so.
        """
        found = [name for name in self.entries if name.startswith(text)] if len(text) >= _SHORTEST else []
        if len(found) > 1:
            raise ConfigError(f"several registry entries begin with {text!r}: {', '.join(found)}; write more of the id")
        return found[0] if found else None

    def champion_for(self, as_of: dt.date) -> str | None:
        """Return the entry that night `as_of` has to beat; None: there is none (see `replay.champion_for`)."""
        return replay.champion_for(self.path, as_of)

    def evidence_for(self, as_of: dt.date, days: int = 7) -> tuple[str, ...]:
        """Return ids of the evidence of the nights before `as_of` (see `replay.evidence_for`)."""
        return replay.evidence_for(self.path, as_of, days)

    def ledger_for(self, as_of: dt.date) -> str:
        """Return the name of the events that night `as_of` may read (see `reign.ledger_for`)."""
        return reign.ledger_for(self.path, as_of)

    def register(self, night: record.NightArtifacts, decision: Decision, rewrite: bool = False) -> Event:
        """Record a night's decision, once (see `record.register`)."""
        return record.register(self.path, night, decision, rewrite)

    def invalidated(self, as_of: dt.date) -> tuple[dt.date, ...]:
        """Return the nights decided after another (see `replay.invalidated`)."""
        return replay.invalidated(replay.history(self.path), as_of)

    def force(self, night: record.NightArtifacts, decision: Decision, challenger: str, reason: str) -> Event:
        """Promote a challenger against the gate's word (see `record.force`)."""
        return record.force(self.path, night, decision, challenger, reason)

    def rollback(self, to: str | None, reason: str, as_of: dt.date | None = None) -> Event:
        """Point back to an earlier champion (see `record.rollback`)."""
        return record.rollback(self.path, to, reason, as_of)

    def retire(self, reason: str, as_of: dt.date | None = None) -> Event:
        """Let the champion go (see `record.retire`)."""
        return record.retire(self.path, reason, as_of)

    def history(self) -> tuple[Event, ...]:
        """Return every event, oldest first."""
        return replay.history(self.path)

    def status(self) -> RegistryStatus:
        """Return where the registry stands; printed, it is what a person reads."""
        return replay.status(self.path)


def register(registry: Registry, workspace: Workspace, key: RunKey, decision: Decision, rewrite: bool = False) -> Event:
    """Record the decision of the night that ran in a workspace; the same decision twice leaves one event.

    Args:
        registry: the registry of the source.
        workspace: where the night's stages have run.
        key: key of the night.
        decision: what the stage `gate` decided.
        rewrite: let the decision count although later nights are decided.

    Raises:
        RegistryError: if the decision is another night's, or as for `record.register`.
        StorageError: if the registry cannot be written.
    """
    _refuse_another_night(key, decision)
    return registry.register(gather(workspace, key.source, decision), decision, rewrite)


def force(
    registry: Registry, workspace: Workspace, key: "RunKey", decision: Decision, challenger: str, reason: str
) -> Event:
    """Promote a challenger of the night that ran in a workspace against the gate's word (see `record.force`).

    Args:
        registry: the registry of the source.
        workspace: where the night's stages have run.
        key: key of the night.
        decision: what the stage `gate` decided.
        challenger: name of the recipe to promote.
        reason: why; may not be empty.

    Raises:
        ConfigError: if the reason is empty or there is no such challenger.
        RegistryError: if the decision is another night's, or as for `record.force`.
        StorageError: if the registry cannot be written.
    """
    _refuse_another_night(key, decision)
    return registry.force(gather(workspace, key.source, decision), decision, challenger, reason)


def _refuse_another_night(key: "RunKey", decision: Decision) -> None:
    if (decision.as_of, decision.pinned or NO_CHAMPION) != (key.as_of, key.champion):
        raise RegistryError(
            f"run.yaml names night {key.as_of} and champion {key.champion}, the decision is of night {decision.as_of} "
            f"against {decision.pinned or NO_CHAMPION}: run the stage gate again"
        )
