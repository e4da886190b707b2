"""What may go when only the last nights are kept, and what can no longer be done then.

Of a registry entry only the model goes: what it was, and why it served, stays for good.
"""

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tasks.config import load_params
from tasks.core.errors import ConfigError
from tasks.core.files import remove
from tasks.core.layout import NIGHT_FOLDER, Workspace
from tasks.core.run_key import RunKey, load_run_key
from tasks.gate.config import GatePolicy
from tasks.registry.entry import BUNDLE, ENTRIES, is_without_model, read_entry
from tasks.registry.evidence import EVIDENCE
from tasks.registry.ledger import NO_CHAMPION, Event, read_ledger
from tasks.registry.reign import pinned_events, reign_at
from tasks.registry.replay import evidence_for, last_night, succession
from tasks.retention.dvc_cache import unreferenced
from tasks.retention.prefect_history import PrefectHistory

_SCRATCH = ("checkpoints", "damaged")
"""Folders below `.dwell` that only a run cut short could still want."""

PREFECT_DATABASE = Path("prefect/prefect.db")
"""Below `.dwell`: the history of nights that had a server of their own."""


@dataclass(frozen=True)
class Group:
    """Files and folders of one sort that may go.

    Attributes:
        what: their sort.
        paths: they.
        lost: what can no longer be done without them.
    """

    what: str
    paths: tuple[Path, ...]
    lost: str

    @property
    def size(self) -> int:
        """Bytes that become free."""
        files = (file for path in self.paths for file in ([path] if path.is_file() else path.rglob("*")))
        return sum(file.stat().st_size for file in files if file.is_file())


@dataclass(frozen=True)
class Plan:
    """What `dwell clean` would remove."""

    groups: tuple[Group, ...]
    history: PrefectHistory | None

    def __str__(self) -> str:
        lines = [
            f"{group.what}: {len(group.paths)} ({group.size / 2**20:.1f} MiB); then no longer: {group.lost}"
            for group in self.groups
        ]
        if self.history is not None:
            lines.append(str(self.history))
        lines.append(
            "the ledger, what registry entries say, and models and archives of champion and rollback target stay"
        )
        return "\n".join(lines)

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to remove."""
        return not self.groups and self.history is None

    def carry_out(self) -> None:
        """Remove everything; whoever calls holds the workspace."""
        for group in self.groups:
            for path in group.paths:
                remove(path)
        if self.history is not None:
            self.history.forget()


def plan(workspace: Workspace, keep_nights: int) -> Plan:
    """Say what may go when the last nights of every source are kept.

    Kept besides them: the night in run.yaml, the nights of the champion and of the one a rollback returns to, the evidence that
    kept nights pin and that the next night pools, trials of the last nights, and what lock files of these name in DVC's cache.

    Args:
        workspace: where nights run.
        keep_nights: how many archived nights of each source.

    Raises:
        ConfigError: if fewer than one are to be kept, or params.yaml is wrong.
        RegistryError: if a ledger was tampered with.
    """
    if keep_nights < 1:
        raise ConfigError(f"keep_nights is {keep_nights}: at least one night must be kept")
    current = load_run_key(workspace.run_key) if workspace.run_key.exists() else None
    policy = load_params(workspace.params).gate
    old, evidence, models, trials, told, kept = (list[Path]() for _ in range(6))
    for nights in sorted(path for path in (workspace.root / "nights").glob("*") if path.is_dir()):
        archives = {
            dt.date.fromisoformat(path.name): path for path in nights.iterdir() if NIGHT_FOLDER.fullmatch(path.name)
        }
        if not archives:
            continue
        needed = set(sorted(archives)[-keep_nights:]) | _served(workspace.registry(nights.name))
        if current is not None and current.source == nights.name:
            needed.add(current.as_of)
        keep = {night: path for night, path in archives.items() if night in needed}
        kept += keep.values()
        old += [path for night, path in archives.items() if night not in needed]
        first = min(sorted(archives)[-keep_nights:])
        old += [path for path in sorted(nights.glob("replays/*")) if path.name < first.isoformat()]
        told += [
            path for path in workspace.lineage(nights.name, first).parent.glob("*") if path.stem < first.isoformat()
        ]
        tried = sorted(workspace.trial(nights.name, first).parent.glob("*"))
        trials += [path for path in tried if path.name < first.isoformat()]
        kept += [path for path in tried if path.name >= first.isoformat()]
        keys = [load_run_key(path / "run.yaml") for path in keep.values()]
        pinned = [key for key in (*keys, current) if key is not None and key.source == nights.name]
        evidence += _old_evidence(workspace.registry(nights.name), pinned, policy.upgrade_days, first)
        models += _old_models(workspace.registry(nights.name), pinned, policy, first)
    groups = (
        Group("archived nights", tuple(old), "read their reports, or make them again with the champion they had"),
        Group("evidence", tuple(evidence), "run nights again that pooled it"),
        Group("models of old champions", tuple(models), "roll back to them, or run nights again that had to beat them"),
        Group("trials", tuple(trials), "compare what they predicted"),
        Group("lineage events", tuple(sorted(told)), "read them here (who was sent them keeps them)"),
        Group("objects in DVC's cache", tuple(_cached(workspace, kept)), "check out outputs that no kept night names (`dvc push` them first to keep them)"),
        Group("scratch", tuple(_scratch(workspace)), "go on with a fit that was cut short: it starts anew"),
    )  # fmt: skip
    history = PrefectHistory.of(workspace.scratch / PREFECT_DATABASE, keep_nights)
    return Plan(tuple(group for group in groups if group.paths), history)


def _served(registry: Path) -> set[dt.date]:
    """Return the nights that made the champion and the one before it."""
    return {read_entry(registry / ENTRIES / entry, entry).as_of for entry in _standing(read_ledger(registry))}


def _standing(events: Sequence[Event]) -> list[str]:
    """Return the entry that a rollback returns to and the champion, as far as there are any."""
    return [entry for entry in succession(events) if entry != NO_CHAMPION][-2:]


def _old_models(registry: Path, pinned: list[RunKey], policy: GatePolicy, first_kept: dt.date) -> Iterator[Path]:
    """Yield the models that nobody may ask for any more.

    Kept are those of the champion, of the one a rollback returns to, of what events since the first kept night name, of the
    champions that kept nights met, and of the anchors that those nights and the next are held to.
    """
    events = read_ledger(registry)
    needed = set(_standing(events))
    for event in events:
        if event.as_of >= first_kept or event.effective_from >= first_kept:
            needed |= {event.entry or NO_CHAMPION, event.previous or NO_CHAMPION}
    held = [(key.as_of, pinned_events(registry, key.ledger)) for key in pinned]
    last = last_night(events)
    if last is not None:
        held.append((last + dt.timedelta(days=1), events))
    needed |= {key.champion for key in pinned}
    needed |= {reign_at(registry, known, as_of, policy).anchor or NO_CHAMPION for as_of, known in held}
    for folder in sorted((registry / ENTRIES).glob("*")):
        if not folder.name.startswith(".") and folder.name not in needed and not is_without_model(folder):
            yield folder / BUNDLE


def _old_evidence(registry: Path, pinned: list[RunKey], upgrade_days: int, first_kept: dt.date) -> Iterator[Path]:
    last = last_night(read_ledger(registry))
    needed = {identity for key in pinned for identity in key.evidence}
    if last is not None:
        needed |= set(evidence_for(registry, last + dt.timedelta(days=1), upgrade_days))
    for path in sorted((registry / EVIDENCE).glob("*")):
        night = path.name[:10]
        if path.is_dir() and path.name not in needed and night < first_kept.isoformat():
            yield path


def _cached(workspace: Workspace, kept: list[Path]) -> list[Path]:
    locks = [path / "dvc.lock" for path in kept] + [workspace.root / "dvc.lock"]
    return unreferenced(workspace.root, [lock for lock in locks if lock.exists()])


def _scratch(workspace: Workspace) -> Iterator[Path]:
    for name in _SCRATCH:
        yield from sorted((workspace.scratch / name).glob("*"))
