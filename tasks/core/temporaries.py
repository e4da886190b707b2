"""Where something unfinished lies: outside of every output, under the name of the process that makes it.

So nobody mistakes half a file for a whole one, and what a killed process left is known as its own and swept.
"""

import contextlib
import itertools
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tasks.core.errors import StorageError
from tasks.core.processes import Owner, this_process
from tasks.core.system_errors import remedy_of

SCRATCH = ".dwell"
"""Folder of a workspace that no stage declares; may be deleted when nothing runs."""
OUTPUTS = ("data", "artifacts", "metrics", "plots", "registry", "nights")
_BEGIN, _END = ".dwell-", ".tmp"
_UNNAMED = re.compile(r"\.(.+\.\d+|[\w-]{22})\.tmp")
"""What DVC, or dwell before it named owners, leaves in outputs when killed."""
_OLD, _PLACE = ".old", ".place"
_TASK = "dwell-task-"
"""Begin of the folders of a worker's tasks, which a host's own folder for temporary files holds."""
_numbers = itertools.count()


@contextlib.contextmanager
def unfinished(target: Path) -> Iterator[Path]:
    """Yield a new empty folder on the file system of `target`; it is removed at the end.

    It lies below `.dwell/tmp` of the workspace, or beside `target` where that is on another file system or in none.

    Raises:
        StorageError: if it cannot be made.
    """
    folder = _home(target.parent) / _own(next(_numbers))
    try:
        folder.mkdir(parents=True)
    except OSError as error:
        raise StorageError(f"could not write {target}: {remedy_of(error) or error}") from error
    try:
        yield folder
    finally:
        remove(folder)


def temporary(scratch: Path, name: str) -> Path:
    """Return a path of this process's own below a workspace's scratch folder; `sweep` removes it once the process is dead.

    Args:
        scratch: `.dwell`.
        name: letters and digits, the same for the same content.
    """
    return scratch.absolute() / "tmp" / _own(name)


def scratch_folder(scratch: Path, name: str) -> Path:
    """Return the path of a folder to work in, right below a scratch folder; `sweep` removes it once the process is dead.

    What is made inside it lies unfinished where everything else does, and is put in place there.

    Args:
        scratch: `.dwell`, or a folder that is to be left empty.
        name: letters and digits.
    """
    return scratch.absolute() / _own(name)


def is_unfinished(path: Path) -> bool:
    """Whether a path lies where things lie unfinished."""
    return any(part.startswith(_BEGIN) and part.endswith(_END) for part in path.parts)


def set_aside(target: Path, folder: Path) -> None:
    """Move what stands at `target` into an unfinished folder, from where `sweep` moves it back if nothing follows."""
    (folder / _PLACE).write_text(str(target.absolute()), encoding="utf-8")
    os.rename(target, folder / _OLD)


def sweep(root: Path, alone: bool = False) -> list[str]:
    """Remove what dead processes left unfinished in a workspace (see `unfinished_by_the_dead`); return the paths removed."""
    left = unfinished_by_the_dead(root, alone)
    for name in left:
        _clear(root / name)
    return left


def unfinished_by_the_dead(root: Path, alone: bool = False) -> list[str]:
    """Return the paths of what dead processes left unfinished in a workspace.

    Args:
        root: the workspace.
        alone: whether nothing else writes there; then what bears no owner's name in its outputs counts too.
    """
    found = [path for folder in (".", "tmp") for path in (root / SCRATCH / folder).glob(f"{_BEGIN}*{_END}")]
    if alone:
        found += [path for name in OUTPUTS for path in (root / name).rglob(f".*{_END}")]
    return [path.relative_to(root).as_posix() for path in found if _is_left(path)]


@contextlib.contextmanager
def task_folder(parent: Path) -> Iterator[Path]:
    """Yield a new empty folder for a task of a worker, which no other user may read; it is removed at the end.

    Args:
        parent: that others may write too; `sweep_task_folders` removes the folder from there once this process is dead.

    Raises:
        StorageError: if it cannot be made.
    """
    try:
        folder = Path(tempfile.mkdtemp(prefix=f"{_TASK}{this_process()}-", dir=parent))
    except OSError as error:
        raise StorageError(f"could not make a folder in {parent}: {remedy_of(error) or error}") from error
    try:
        yield folder
    finally:
        remove(folder)


def sweep_task_folders(parent: Path) -> None:
    """Remove the task folders of dead processes of this machine."""
    for folder in parent.glob(f"{_TASK}*"):
        owner = Owner.parse(folder.name.removeprefix(_TASK).rpartition("-")[0])
        if owner is not None and owner.is_dead:
            remove(folder)


def remove(path: Path) -> None:
    """Remove a file or a folder; nothing happens where there is none."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with contextlib.suppress(OSError):
            path.unlink()


def _own(name: str | int) -> str:
    return f"{_BEGIN}{this_process()}-{name}{_END}"


def _home(parent: Path) -> Path:
    """Return the folder for what is to become a part of `parent`, which need not exist yet."""
    standing = next(path for path in (parent.absolute(), *parent.absolute().parents) if path.is_dir())
    for folder in (standing, *standing.parents):
        scratch = folder / SCRATCH
        if scratch.is_dir():
            return scratch / "tmp" if scratch.stat().st_dev == standing.stat().st_dev else standing
    return standing


def _is_left(path: Path) -> bool:
    if path.name.startswith(_BEGIN):
        owner = Owner.parse(path.name.removeprefix(_BEGIN).removesuffix(_END).rpartition("-")[0])
        return owner is not None and owner.is_dead
    return _UNNAMED.fullmatch(path.name) is not None


def _clear(path: Path) -> None:
    place, old = path / _PLACE, path / _OLD
    if place.is_file() and old.exists():
        target = Path(place.read_text(encoding="utf-8"))
        if not target.exists():
            os.rename(old, target)
    remove(path)
