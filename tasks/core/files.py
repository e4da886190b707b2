"""Write whole files or none, and name content by its hash.

What is written is finished elsewhere (`tasks.core.temporaries`) and then takes the place of the old in one step, so a
crash, a full disk or a kill leaves either the old content or the new one.
"""

import contextlib
import csv
import ctypes
import hashlib
import io
import json
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from tasks.core.errors import DwellError, StorageError
from tasks.core.system_errors import remedy_of
from tasks.core.temporaries import is_unfinished, remove, set_aside, unfinished

__all__ = [
    "NIGHT_FILE",
    "NO_CONTENT",
    "hash_file",
    "hash_tree",
    "hash_value",
    "read_json",
    "remove",
    "sync_folder",
    "unfinished",
    "write_json",
    "write_text",
    "writing",
]

NIGHT_FILE = "night.json"
"""Says which night an output belongs to (`tasks.night.belonging`)."""
NO_CONTENT = (".gitignore", NIGHT_FILE)
"""Names of files that say something about the folder they lie in, and are no part of its content."""
_HERE, _EXCHANGE = -100, 2
"""AT_FDCWD and RENAME_EXCHANGE of renameat2(2)."""


@contextlib.contextmanager
def writing(target: Path, durable: bool = False) -> Iterator[Path]:
    """Yield a path to write to; on success what stands there replaces `target`, on failure it is removed.

    Args:
        target: file or folder; the caller makes the one or the other.
        durable: whether it must survive a power cut: what nobody could make again.

    Raises:
        StorageError: if the disk is full or the folder cannot be written; `target` then is as it was.
    """
    try:
        with unfinished(target) as folder:
            temporary = folder / target.name
            yield temporary
            if durable:
                _sync(temporary)
            target.parent.mkdir(parents=True, exist_ok=True)
            _replace(temporary, target, folder)
            if durable:
                sync_folder(target.parent)
    except DwellError:
        raise
    except Exception as error:
        reason = remedy_of(error)
        if reason is None or _is_about_another(error, target):
            raise
        raise StorageError(f"could not write {target}: {reason}") from error


def _is_about_another(error: Exception, target: Path) -> bool:
    """Whether the right that is missing is to a file that is read meanwhile."""
    if not isinstance(error, PermissionError) or not isinstance(error.filename, str):
        return False
    path, target = Path(error.filename).absolute(), target.absolute()
    return not (path in target.parents or path.is_relative_to(target.parent) or is_unfinished(path))


def _replace(new: Path, target: Path, folder: Path) -> None:
    """Put `new` in the place of `target` in one step; what stood there goes into `folder`."""
    if not target.is_dir():
        os.replace(new, target)
    elif not _exchange(new, target):
        set_aside(target, folder)
        os.rename(new, target)


def _exchange(one: Path, other: Path) -> bool:
    """Let two paths of a file system change places in one step; False where the system cannot."""
    rename = _renameat2()
    return rename is not None and rename(_HERE, os.fsencode(one), _HERE, os.fsencode(other), _EXCHANGE) == 0


@cache
def _renameat2() -> Any:
    return getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None) if sys.platform == "linux" else None


def sync_folder(folder: Path) -> None:
    """Make a folder's listing durable."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _sync(path: Path) -> None:
    """Make a file, or a folder with all below it, durable."""
    for part in sorted(path.rglob("*")) if path.is_dir() else [path]:
        if part.is_dir():
            sync_folder(part)
        else:
            with part.open("rb") as stream:
                os.fsync(stream.fileno())
    if path.is_dir():
        sync_folder(path)


def write_bytes(target: Path, data: bytes, durable: bool = False) -> Path:
    """Write bytes atomically (see `writing`)."""
    with writing(target, durable) as temporary:
        temporary.write_bytes(data)
    return target


def write_text(target: Path, text: str, durable: bool = False) -> Path:
    """Write UTF-8 text atomically (see `writing`)."""
    return write_bytes(target, text.encode(), durable)


def write_json(target: Path, value: Any, durable: bool = False) -> Path:
    """Write JSON atomically, as `json_text` has it."""
    return write_text(target, json_text(value), durable)


def json_text(value: Any) -> str:
    """Return a value as JSON: sorted keys, two spaces, a final newline, so that equal values give equal bytes."""
    return json.dumps(value, indent=2, sort_keys=True, allow_nan=True, default=str) + "\n"


def csv_text(rows: Iterable[Sequence[Any]]) -> str:
    """Return rows as CSV, the head first, with the line ends of every machine alike."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


def read_json(path: Path) -> Any:
    """Read a JSON file."""
    return json.loads(path.read_text(encoding="utf-8"))


def hash_file(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def hash_tree(folder: Path) -> str:
    """Return one SHA-256 for a folder: every file's relative name and content, in sorted order.

    Files that only say something about a folder (`NO_CONTENT`) do not count.
    """
    digest = hashlib.sha256()
    for path in sorted(p for p in folder.rglob("*") if p.is_file() and p.name not in NO_CONTENT):
        digest.update(f"{path.relative_to(folder).as_posix()}\0{hash_file(path)}\n".encode())
    return digest.hexdigest()


def hash_value(value: Any) -> str:
    """Return the SHA-256 of a JSON-serialisable value, independent of key order."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()
