"""Tasks for workers that share no disk with the stage: files pass through a store, named by the hash of their content.

The stage puts what a task reads into the store. A worker fetches that into a scratch folder of its own, runs the task on it and
puts what the task wrote back; the stage fetches it, holds it against its hash and puts it in place. Paths in the task, and in
what it returns, are taken as below the scratch folder there and as what they were here, so that a task knows nothing of it.
"""

import io
import os
import pickle
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

from tasks.core.errors import DwellError, MachineError, StorageError
from tasks.core.files import hash_file, remove, writing

_FOLDER = ""
"""What stands for the hash of a folder."""
_HERE = Path(os.sep)
_root: ContextVar[Path] = ContextVar("root", default=_HERE)
Listing = Mapping[str, str]
"""Path below the root -> hash of a file, or that it is a folder."""


@dataclass(frozen=True)
class Files:
    """Files and folders of a task; they need not exist.

    Attributes:
        reads: those that it reads.
        writes: those that it makes or removes, and what it looks up of them first.
    """

    reads: tuple[Path, ...]
    writes: tuple[Path, ...] = ()


def no_files(task: Any) -> Files:
    """Return that a task reads and writes nothing."""
    return Files(())


class Store:
    """Files by the hash of their content, at a URL that fsspec knows.

    Args:
        url: folder, for example s3://bucket/prefix. Who may is known from the environment.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self._hashes: dict[tuple[Path, int, int, int], str] = {}
        self._there: set[str] = set()
        try:
            from fsspec.core import url_to_fs  # seconds, and only those who have a store need it

            self._files, self._folder = url_to_fs(url, use_listings_cache=False)
        except (ImportError, ValueError) as error:
            raise MachineError(
                f"cluster.storage {url} cannot be opened: {error}; pip install 'dwell[s3]' for s3://"
            ) from error

    def put(self, path: Path) -> str:
        """Put a file there, unless it is; return its hash."""
        about = path.stat()
        known = (path, about.st_ino, about.st_size, about.st_mtime_ns)
        if known not in self._hashes:
            self._hashes[known] = hash_file(path)
        digest = self._hashes[known]
        if digest not in self._there:
            with self._asking(f"put {path} there"):
                if not self._files.exists(self._named(digest)):
                    self._files.makedirs(self._folder, exist_ok=True)
                    self._files.put_file(str(path), self._named(digest))
            self._there.add(digest)
        return digest

    def get(self, digest: str, target: Path) -> None:
        """Fetch a file.

        Raises:
            MachineError: if it is not there, or is another.
        """
        with self._asking(f"fetch {digest}"):
            self._files.get_file(self._named(digest), str(target))
        if (found := hash_file(target)) != digest:
            raise MachineError(
                f"cluster.storage {self.url} holds {found} as {digest}: remove that file there and run again"
            )

    def _named(self, digest: str) -> str:
        return f"{self._folder}/{digest}"

    @contextmanager
    def _asking(self, what: str) -> Iterator[None]:
        """Say in words what the store refused."""
        try:
            yield
        except Exception as error:  # each store has errors of its own
            said = str(error) or type(error).__name__
            raise MachineError(
                f"cluster.storage {self.url}: could not {what}: {said}: are address, rights and credentials those of the environment?"
            ) from error


@dataclass(frozen=True)
class Shipped:
    """A task on its way.

    Attributes:
        name: of the task, for messages.
        payload: function and task.
        reads: what it needs.
        writes: paths below the root that it may write.
    """

    name: str
    payload: bytes
    reads: Listing
    writes: tuple[str, ...]


@dataclass(frozen=True)
class Returned:
    """What came of a task: its result, and what stands at the paths that it may write."""

    payload: bytes
    made: Listing


@dataclass(frozen=True)
class Shipping:
    """Sends tasks to workers and puts in place what they made.

    Attributes:
        store: between them.
    """

    store: Store

    def pack(self, function: Callable[[Any], Any], task: Any, files: Files, name: str) -> Shipped:
        """Put what a task reads into the store, and return the task."""
        paths = [path.absolute() for path in (*files.reads, *files.writes)]
        listing = _listing(self.store, paths, _HERE)
        writes = tuple(_below(path.absolute(), _HERE) for path in files.writes)
        return Shipped(name, _dumps((function, task), _HERE), listing, writes)

    def unpack(self, shipped: Shipped, returned: Returned) -> Any:
        """Put what a task made in place, and return its result."""
        for name in shipped.writes:
            was, made = _part(shipped.reads, name), _part(returned.made, name)
            if made == was:
                continue
            if not made:
                remove(_HERE / name)
                continue
            with writing(_HERE / name) as temporary:
                _fetch(self.store, {_within(path, name): digest for path, digest in made.items()}, temporary)
        return _loads(returned.payload, _HERE)


def run_shipped(url: str, shipped: Shipped) -> Returned:
    """Run a task on a worker, in a scratch folder (of TMPDIR) that is removed.

    Raises:
        MachineError: if the store refuses something.
    """
    store = Store(url)
    with tempfile.TemporaryDirectory(prefix="dwell-task-") as scratch:
        root = Path(scratch).resolve()
        _fetch(store, shipped.reads, root)
        for name in shipped.writes:
            (root / name).parent.mkdir(parents=True, exist_ok=True)
        function, task = _loads(shipped.payload, root)
        try:
            result = function(task)
        except StorageError:  # it is this machine whose disk is full
            raise
        except DwellError as error:  # its words are for people who never see this folder
            error.args = tuple(one.replace(str(root), "") if isinstance(one, str) else one for one in error.args)
            raise
        return Returned(_dumps(result, root), _listing(store, [root / name for name in shipped.writes], root))


def _listing(store: Store, paths: Sequence[Path], root: Path) -> dict[str, str]:
    """Put files, and those of folders, into the store; return what they are."""
    found: dict[str, str] = {}
    for path in paths:
        if path.is_dir():
            found[_below(path, root)] = _FOLDER
            found |= _listing(store, sorted(path.iterdir()), root)
        elif path.is_file():
            found[_below(path, root)] = store.put(path)
    return found


def _fetch(store: Store, listing: Listing, root: Path) -> None:
    for name, digest in sorted(listing.items()):
        target = root / name if name else root
        if digest == _FOLDER:
            target.mkdir(parents=True, exist_ok=True)
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            store.get(digest, target)


def _part(listing: Listing, name: str) -> dict[str, str]:
    """Return what of a listing is a path or lies below it."""
    return {path: digest for path, digest in listing.items() if path == name or path.startswith(f"{name}/")}


def _within(path: str, name: str) -> str:
    return path[len(name) :].removeprefix("/")


def _below(path: Path, root: Path) -> str:
    return path.relative_to(root).as_posix()


class _Pickler(pickle.Pickler):
    """Writes paths below a root as what they are below it."""

    def __init__(self, file: io.BytesIO, root: Path) -> None:
        super().__init__(file)
        self._root = root

    def reducer_override(self, obj: Any) -> Any:
        if isinstance(obj, PurePath):
            path = Path(obj).absolute()
            if path.is_relative_to(self._root):
                return _at, (_below(path, self._root),)
        return NotImplemented


def _dumps(value: Any, root: Path) -> bytes:
    file = io.BytesIO()
    _Pickler(file, root).dump(value)
    return file.getvalue()


def _loads(payload: bytes, root: Path) -> Any:
    token = _root.set(root)
    try:
        return pickle.loads(payload)
    finally:
        _root.reset(token)


def _at(name: str) -> Path:
    return _root.get() / name
