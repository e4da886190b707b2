"""Every registry: a whole ledger, and all that it names there and unchanged."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

from tasks.core.errors import RegistryError
from tasks.doctor.finding import Finding
from tasks.registry.entry import ENTRIES, is_without_model, read_entry
from tasks.registry.evidence import EVIDENCE, read_evidence
from tasks.registry.ledger import LEDGER, locked, read_ledger
from tasks.registry.replay import current, succession


def registries(root: Path) -> Iterator[Finding]:
    """Yield what is wrong with the registries below a folder, one per source."""
    for registry in sorted(path for path in root.glob("*") if path.is_dir()):
        yield from _registry(registry)


def _registry(registry: Path) -> Iterator[Finding]:
    ledger = registry / LEDGER
    if ledger.exists() and not ledger.read_bytes().endswith(b"\n") and ledger.stat().st_size:
        yield Finding(
            f"{ledger}: its last line was cut short by a crash before it counted",
            "drop it (the next decision does so)",
            lambda: _drop_half_line(registry),
            grave=False,
        )
    try:
        events = read_ledger(registry)
    except RegistryError as error:
        yield Finding(str(error), "restore ledger.jsonl and ledger.head together from a backup or the last commit")
        return
    champion = current(succession(events))
    for identity in sorted({event.entry for event in events if event.entry}):
        folder = registry / ENTRIES / identity
        if identity != champion and folder.is_dir() and is_without_model(folder):
            continue  # it went with old nights
        if problem := _refused(read_entry, registry / ENTRIES / identity, identity):
            yield Finding(problem, "restore it from a backup, or roll back", grave=identity == champion)
    for identity in sorted(path.name for path in (registry / EVIDENCE).glob("*") if not path.name.startswith(".")):
        if problem := _refused(read_evidence, registry / EVIDENCE / identity, identity):
            yield Finding(problem, "restore it from a backup, or run that night again")


def _refused(read: Callable[[Path, str], object], folder: Path, identity: str) -> str | None:
    try:
        read(folder, identity)
    except RegistryError as error:
        return str(error)
    return None


def _drop_half_line(registry: Path) -> str:
    path = registry / LEDGER
    with locked(registry):
        whole = path.read_bytes().rpartition(b"\n")[0]
        size = len(whole) + 1 if whole else 0
        dropped = path.stat().st_size - size
        os.truncate(path, size)
    return f"dropped {dropped} bytes of half a line from {path}"
