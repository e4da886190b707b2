"""The append-only, hash-chained record of every decision; nothing in it is ever rewritten.

`ledger.jsonl` holds one event per line. Each carries the hash of the one before, so an edited, swapped or removed
line breaks the chain; `ledger.head` holds the last hash, so removed *last* lines show too. This guards against
accidents and edits by hand, not against someone who recomputes every hash.
"""

import contextlib
import datetime as dt
import errno
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal

from filelock import FileLock, Timeout

from tasks.attribution.document import FieldRanks
from tasks.core.errors import RegistryError, StorageError
from tasks.core.files import hash_value, read_json, sync_folder, write_json
from tasks.core.settings import Block
from tasks.gate.evidence import Increment
from tasks.registry.forecast import NightForecast

LEDGER = "ledger.jsonl"
HEAD = "ledger.head"
GENESIS = "0" * 64
NO_CHAMPION = "none"

EventKind = Literal["promoted", "refused", "kept", "lapsed", "rolled_back", "forced", "retired", "replayed"]
"""`lapsed`: the night could not score its champion and made no other; `retired`: a person took the champion away; `replayed`:
a night was run again after later ones, without effect on who serves."""


class Event(Block):
    """One line of the ledger."""

    sequence: int
    """0, 1, 2 ..."""
    kind: EventKind
    as_of: dt.date
    """the night decided on; for a rollback or a retirement the first night it holds for"""
    effective_from: dt.date
    """first night whose champion it may change"""
    entry: str | None
    """champion after the event: the entry promoted, kept or rolled back to; None where there is none"""
    previous: str | None
    """champion before the event"""
    decision: str | None
    """id of the gate's decision; None for a rollback or a retirement"""
    evidence: str | None
    """the night's judge tables; None for a rollback or a retirement"""
    reason: str
    increments: tuple[Increment, ...] = ()
    """what the night adds to the evidence on its challengers; events of earlier versions have none"""
    forecast: NightForecast | None = None
    """what the night forecast, and how earlier forecasts came true; events of earlier versions have none"""
    field_ranks: Mapping[str, FieldRanks] = {}
    """recipe -> ranks of the fields that its network reads; events of earlier versions, and of trees alone, have none"""
    recorded_at: str
    """wall clock, UTC; for people, no logic reads it"""
    previous_hash: str
    """hash of the event before"""
    hash: str
    """hash of everything above"""

    def expected_hash(self) -> str:
        """Return the hash that the content of this event calls for."""
        later = {name for name in ("increments", "forecast", "field_ranks") if not getattr(self, name)}
        return hash_value(self.model_dump(mode="json", exclude={"hash", *later}))


class LedgerHead(Block):
    """`ledger.head`: how long the ledger is, and how it ends."""

    events: int = 0
    hash: str = GENESIS


class NewEvent(Block):
    """What happened, before the ledger numbers and chains it."""

    kind: EventKind
    as_of: dt.date
    effective_from: dt.date
    entry: str | None
    previous: str | None
    decision: str | None = None
    evidence: str | None = None
    reason: str
    increments: tuple[Increment, ...] = ()
    forecast: NightForecast | None = None
    field_ranks: Mapping[str, FieldRanks] = {}


@contextlib.contextmanager
def locked(registry: Path, timeout_s: float = 120) -> Iterator[None]:
    """Hold the registry's lock: one writer at a time, across processes.

    Raises:
        RegistryError: if another process holds it for longer than the timeout.
        StorageError: if the folder cannot be written.
    """
    try:
        registry.mkdir(parents=True, exist_ok=True)
        lock = FileLock(registry / ".lock")
        with lock.acquire(timeout=timeout_s):
            yield
    except Timeout as error:
        raise RegistryError(
            f"another process has been writing {registry} for {timeout_s:g} s: try again later"
        ) from error
    except PermissionError as error:
        raise StorageError(
            f"could not write {registry}: permission denied: make the folder writable for this user"
        ) from error


def read_ledger(registry: Path) -> tuple[Event, ...]:
    """Return all events, oldest first, after checking the chain. A line a crash cut short does not count.

    Raises:
        RegistryError: if the ledger was tampered with; the message names the line.
    """
    try:
        return _read(registry)
    except RegistryError as error:
        raise RegistryError(f"{error} (`dwell doctor` looks at all of the registry)") from error


def _read(registry: Path) -> tuple[Event, ...]:
    path = registry / LEDGER
    head, lines = _snapshot(registry)
    events: list[Event] = []
    for number, line in enumerate(lines, start=1):
        events.append(_parse(line, number, path))
        expected = events[-2].hash if len(events) > 1 else GENESIS
        if events[-1].previous_hash != expected or events[-1].sequence != number - 1:
            raise RegistryError(
                f"{path}: line {number} does not follow the one before it: lines were removed, added or swapped"
            )
    if len(events) < head.events:
        raise RegistryError(
            f"{path} holds {len(events)} events, {HEAD} says {head.events}: the last lines were removed"
        )
    if len(events) > head.events + 1:
        raise RegistryError(
            f"{path} holds {len(events)} events, {HEAD} says {head.events}: lines were added, or {HEAD} is old"
        )
    if head.events and events[head.events - 1].hash != head.hash:
        raise RegistryError(f"{path}: line {head.events} is not the one that {HEAD} names: the ledger was rewritten")
    return tuple(events)


def append(registry: Path, new: NewEvent) -> Event:
    """Append one event and sync it to disk. The caller holds the lock.

    Raises:
        RegistryError: if the ledger was tampered with.
        StorageError: if the disk is full; the ledger then is as it was.
    """
    events = read_ledger(registry)
    if events:
        _write_head(registry, events)  # a crash may have come between line and head
    fields = {
        **new.model_dump(),
        "sequence": len(events),
        "recorded_at": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        "previous_hash": events[-1].hash if events else GENESIS,
    }
    unsigned = Event.model_validate({**fields, "hash": ""})
    event = unsigned.model_copy(update={"hash": unsigned.expected_hash()})
    _append_line(registry / LEDGER, json.dumps(event.model_dump(mode="json"), sort_keys=True))
    _write_head(registry, (*events, event))
    return event


def extend(registry: Path, lines: Sequence[bytes]) -> None:
    """Append events that were recorded in another place of the same history, each as whole as one recorded here.

    The caller holds the lock.

    Args:
        registry: where they are lacking.
        lines: of the other ledger, after those that stand here.

    Raises:
        RegistryError: if they do not continue what stands here; nothing is appended then.
        StorageError: if the disk is full; those before then stand.
    """
    events, path = list(read_ledger(registry)), registry / LEDGER
    for number, line in enumerate(lines, start=len(events) + 1):
        event = _parse(line, number, path)
        expected = events[-1].hash if events else GENESIS
        if event.previous_hash != expected or event.sequence != number - 1:
            raise RegistryError(f"{path}: event {event.sequence} of the other ledger does not follow the last one here")
        events.append(event)
    for number, line in enumerate(lines, start=len(events) - len(lines) + 1):
        _append_line(path, line.decode())
        _write_head(registry, tuple(events[:number]))


def _append_line(path: Path, line: str) -> None:
    is_new = not path.exists()
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        whole = sum(len(part) + 1 for part in _lines(path))
        os.ftruncate(handle, whole)  # drop what a crash left of an unfinished line
        data = f"{line}\n".encode()
        try:
            os.lseek(handle, whole, os.SEEK_SET)
            if os.write(handle, data) != len(data):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.fsync(handle)
        except OSError as error:
            with contextlib.suppress(OSError):
                os.ftruncate(handle, whole)
            raise StorageError(f"could not write {path}: {error.strerror}; nothing was recorded") from error
    finally:
        os.close(handle)
    if is_new:
        sync_folder(path.parent)


def _lines(path: Path) -> list[bytes]:
    """Return the complete lines of the ledger, without their line ends."""
    return path.read_bytes().split(b"\n")[:-1] if path.exists() else []


def _parse(line: bytes, number: int, path: Path) -> Event:
    try:
        event = Event.model_validate(json.loads(line))
    except ValueError as error:
        raise RegistryError(f"{path}: line {number} cannot be read: it was edited or damaged ({error})") from error
    if event.hash != event.expected_hash():
        raise RegistryError(
            f"{path}: line {number} was edited: its content does not match its hash; restore it from a backup"
        )
    return event


def _snapshot(registry: Path) -> tuple[LedgerHead, list[bytes]]:
    """Return head and lines that belong together: at most one line is ahead (a writer at work, or a crash)."""
    while True:
        head = _read_head(registry)
        lines = _lines(registry / LEDGER)
        if _read_head(registry) == head:
            return head, lines


def _read_head(registry: Path) -> LedgerHead:
    path = registry / HEAD
    if not path.exists():
        return LedgerHead()
    try:
        return LedgerHead.model_validate(read_json(path))
    except ValueError as error:
        raise RegistryError(f"{path} cannot be read: it was edited or damaged ({error})") from error


def _write_head(registry: Path, events: tuple[Event, ...]) -> None:
    write_json(registry / HEAD, LedgerHead(events=len(events), hash=events[-1].hash).model_dump(), durable=True)
