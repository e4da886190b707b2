"""Bring the registry, the archives and the proposals of two places together, so that what one has decided the other knows.

Entries, evidence and archives travel as whole folders, each with the hash of its content. A ledger travels last, and only
where one of the two is the beginning of the other: a place where other nights were decided is told so, and nothing is lost.
"""

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from pydantic import Field, ValidationError

from tasks.core.document import Document
from tasks.core.errors import RegistryError
from tasks.core.files import hash_file, hash_tree, writing
from tasks.core.layout import NIGHT_FOLDER, Workspace
from tasks.core.names import checked_name
from tasks.registry.entry import ENTRIES
from tasks.registry.evidence import EVIDENCE
from tasks.registry.ledger import LEDGER, extend, locked, read_ledger
from tasks.share.remote import Shelf
from tasks.weekly.proposal import FILE as PROPOSAL

INDEX = "index.json"
_REGISTRY, _NIGHTS, _PROPOSALS = "registry", "nights", "proposals"


class Unit(Document):
    """A file or folder that travels whole."""

    hash: str
    files: tuple[str, ...]
    """below it; empty: it is a file itself"""

    @classmethod
    def of(cls, path: Path) -> "Unit":
        """Return what lies at a path."""
        if path.is_file():
            return cls(hash=hash_file(path), files=())
        files = sorted(file.relative_to(path).as_posix() for file in path.rglob("*") if file.is_file())
        return cls(hash=hash_tree(path), files=tuple(files))

    def paths(self, path: str) -> tuple[str, ...]:
        """Return the files of the one that lies at a path."""
        return tuple(f"{path}/{name}" for name in self.files) or (path,)


class Index(Document):
    """`index.json` of the remote: what lies there. It is written after what it names, so what it names is whole."""

    units: dict[str, Unit] = Field(default_factory=dict)
    """path below the workspace -> what lies there"""
    ledgers: dict[str, int] = Field(default_factory=dict)
    """source -> events of its ledger"""


@dataclass(frozen=True)
class Exchanged:
    """What was brought.

    Attributes:
        units: paths below the workspace.
        events: source -> events of the ledger that the other side did not have.
    """

    units: tuple[str, ...]
    events: dict[str, int] = field(default_factory=dict)

    def __str__(self) -> str:
        entries = sum(f"/{ENTRIES}/" in unit for unit in self.units)
        nights = sum(unit.startswith(_NIGHTS) for unit in self.units)
        events = sum(self.events.values())
        proposed = sum(unit.startswith(_PROPOSALS) for unit in self.units)
        return (
            f"{events} events of the ledger, {entries} registry entries, {nights} archived nights, {proposed} proposals"
        )


@dataclass(frozen=True)
class Exchange:
    """A workspace and a place that it shares.

    Attributes:
        workspace: where nights run.
        shelf: the place.
    """

    workspace: Workspace
    shelf: Shelf

    def push(self) -> Exchanged:
        """Bring what the place lacks.

        Raises:
            RegistryError: if other nights were decided there than here, or more.
            StorageError: if the place cannot be written.
        """
        there, sources = self._index(), self._sources()
        news = {source: self._news(source, there, ours=True) for source in sources}
        units = {path: unit for path, unit in self._units().items() if _is_lacking(path, unit, there)}
        for path, unit in units.items():
            for name in unit.paths(path):
                self.shelf.put(self.workspace.root / name, name)
        for source in (source for source in sources if news[source]):
            self.shelf.put(self.workspace.registry(source) / LEDGER, _ledger(source))
        if units or any(news.values()):
            ledgers = {source: there.ledgers.get(source, 0) + len(news[source]) for source in sources}
            self._write_index(Index(units=there.units | units, ledgers=there.ledgers | ledgers))
        return Exchanged(tuple(units), {source: len(lines) for source, lines in news.items()})

    def pull(self) -> Exchanged:
        """Bring what is lacking here. What stands here stays; the caller holds the workspace.

        Raises:
            RegistryError: if other nights were decided there than here, or what came is damaged.
            StorageError: if the place cannot be read, or a file cannot be written.
        """
        there, here = self._index(), self._units()
        news = {source: self._news(source, there, ours=False) for source in there.ledgers}
        units = tuple(path for path in there.units if path not in here)
        for path in units:
            self._fetch(path, there.units[path])
        for source in (source for source, lines in news.items() if lines):
            with locked(self.workspace.registry(source)):
                extend(self.workspace.registry(source), news[source])
        return Exchanged(units, {source: len(lines) for source, lines in news.items()})

    def _index(self) -> Index:
        content = self.shelf.read(INDEX)
        if content is None:
            return Index()
        try:
            found = Index.model_validate_json(content)
            for source in found.ledgers:
                checked_name(source)
            for name in (name for path, unit in found.units.items() for name in unit.paths(path)):
                _refuse_outside(name)
        except (ValidationError, ValueError) as error:
            said = " ".join(str(error).split())
            raise RegistryError(
                f"{INDEX} of remote {self.shelf.name} is not one that `dwell push` writes: {said}"
            ) from error
        return found

    def _write_index(self, index: Index) -> None:
        self.workspace.scratch.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self.workspace.scratch) as folder:
            self.shelf.put(index.write(Path(folder) / INDEX), INDEX)

    def _sources(self) -> list[str]:
        root = self.workspace.root / _REGISTRY
        return sorted(path.name for path in root.iterdir() if path.is_dir()) if root.is_dir() else []

    def _units(self) -> dict[str, Unit]:
        root = self.workspace.root
        found = {path.relative_to(root).as_posix(): path for path in _places(root)}
        return {name: Unit.of(path) for name, path in sorted(found.items())}

    def _news(self, source: str, there: Index, *, ours: bool) -> list[bytes]:
        """Return the events of a ledger that only this side has, or only the other.

        Raises:
            RegistryError: if neither ledger is the beginning of the other, or ours lacks events and is to be pushed.
        """
        registry, remote = self.workspace.registry(source), self.shelf.name
        events, held = len(read_ledger(registry)), there.ledgers.get(source, 0)
        here = (registry / LEDGER).read_bytes().split(b"\n")[:events] if events else []
        other = (self.shelf.read(_ledger(source)) or b"").split(b"\n")[:held] if held else []
        common = min(len(here), len(other))
        if here[:common] != other[:common]:
            first = next(number for number in range(common) if here[number] != other[number])
            raise RegistryError(
                f"the ledger of {source} here and in remote {remote} differ from event {first} on: nights were decided in both "
                "places. Keep one; the other needs a remote of its own"
            )
        if ours and len(other) > len(here):
            raise RegistryError(
                f"the ledger of {source} in remote {remote} has {len(other)} events, here stand the first {len(here)} of them: "
                "`dwell pull` first"
            )
        return here[common:] if ours else other[common:]

    def _fetch(self, path: str, unit: Unit) -> None:
        with writing(self.workspace.root / path, durable=True) as new:
            for name, file in zip(unit.paths(path), unit.files or ("",), strict=True):
                self.shelf.get(name, new / file)
            if Unit.of(new) != unit:
                raise RegistryError(
                    f"{path} in remote {self.shelf.name} does not match its hash: it is damaged; push it again from where it was made"
                )


def _is_lacking(path: str, unit: Unit, there: Index) -> bool:
    """Whether the place lacks a unit. What is named by its content is there or not: here its model may have gone since."""
    return path not in there.units if path.startswith(_REGISTRY) else there.units.get(path) != unit


def _refuse_outside(name: str) -> None:
    """Refuse the name of a file that would not lie where registries, archives and proposals do."""
    parts = PurePosixPath(name).parts
    if ".." in parts or "\\" in name or parts[:1] not in ((_REGISTRY,), (_NIGHTS,), (_PROPOSALS,)) or len(parts) < 3:
        raise ValueError(
            f"{name!r} lies neither in {_REGISTRY}/SOURCE nor in {_NIGHTS}/SOURCE nor in {_PROPOSALS}/SOURCE"
        )
    checked_name(parts[1])


def _ledger(source: str) -> str:
    return f"{_REGISTRY}/{source}/{LEDGER}"


def _places(root: Path) -> Iterator[Path]:
    """Yield the files and folders that travel."""
    for kind in (ENTRIES, EVIDENCE):
        yield from (path for path in (root / _REGISTRY).glob(f"*/{kind}/*") if not path.name.startswith("."))
    yield from (path for path in (root / _NIGHTS).glob("*/*") if NIGHT_FOLDER.fullmatch(path.name))
    yield from (path for pattern in ("*/replays/*", "*/headlines/*.json") for path in (root / _NIGHTS).glob(pattern))
    yield from (path.parent for path in (root / _PROPOSALS).glob(f"*/*/*/{PROPOSAL}"))
