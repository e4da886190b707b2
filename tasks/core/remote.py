"""Tasks for workers that share no disk with the stage: files pass through a store, named by the hash of their content.

The stage puts what a task reads into the store. A worker fetches that into a scratch folder of its own, runs the task on it and
puts what the task wrote back; the stage fetches it, holds it against its hash and puts it in place. Paths in the task, and in
what it returns, are taken as below the scratch folder there and as what they were here, so that a task knows nothing of it.
"""

import io
import os
import pickle
import platform
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

from tasks.core.errors import DwellError, MachineError, StorageError
from tasks.core.files import remove, writing
from tasks.core.store import Store
from tasks.core.system_errors import remedy_of
from tasks.core.temporaries import sweep_task_folders, task_folder

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
        paths = [_absolute(path) for path in (*files.reads, *files.writes)]
        listing = _listing(self.store, paths, _HERE)
        writes = tuple(_below(_absolute(path), _HERE) for path in files.writes)
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
    """Run a task on a worker, in a scratch folder (of TMPDIR) that is removed; those of workers that died are removed too.

    Raises:
        MachineError: if the store refuses something.
        StorageError: if the disk of this machine does.
    """
    parent = Path(tempfile.gettempdir())
    sweep_task_folders(parent)
    try:
        with task_folder(parent) as root:
            return _run_below(root.resolve(), Store(url), shipped)
    except StorageError as error:
        raise StorageError(
            f"{error}; it is the disk of the worker on {platform.node()}, whose scratch folders lie in {parent} (TMPDIR)"
        ) from error


def _run_below(root: Path, store: Store, shipped: Shipped) -> Returned:
    try:
        _fetch(store, shipped.reads, root)
        for name in shipped.writes:
            _inside(root, name).parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(f"could not write below {root}: {remedy_of(error) or error}") from error
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
        target = _inside(root, name)
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


def _absolute(path: Path) -> Path:
    """Return a path from the root on, without `..`, which would lead out of a worker's folder."""
    return path.resolve() if ".." in path.parts else path.absolute()


def _inside(root: Path, name: str) -> Path:
    """Return a path below a root.

    Raises:
        MachineError: if it leads out of it.
    """
    path = root / name
    if ".." in path.parts or not path.is_relative_to(root):
        raise MachineError(f"a task names {name!r}, which lies outside of the folder that it may use")
    return path


class _Pickler(pickle.Pickler):
    """Writes paths below a root as what they are below it."""

    def __init__(self, file: io.BytesIO, root: Path) -> None:
        super().__init__(file)
        self._root = root

    def reducer_override(self, obj: Any) -> Any:
        if isinstance(obj, PurePath):
            path = _absolute(Path(obj))
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
    return _inside(_root.get(), name)
