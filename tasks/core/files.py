"""Write whole files or none, and name content by its hash.

Every write goes to a temporary name beside the target and is renamed into place, so a crash, a full disk or a kill
leaves either the old content or the new one.
"""

import contextlib
import errno
import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tasks.core.errors import StorageError

_WRITE_ERRORS = {
    errno.ENOSPC: "the disk is full: free some space and run again",
    errno.EFBIG: "the file is larger than this file system or its limits allow: choose another folder",
    errno.EDQUOT: "the disk quota is used up: free some space and run again",
    errno.EACCES: "permission denied: make the folder writable for this user",
    errno.EPERM: "not permitted: make the folder writable for this user",
    errno.EROFS: "the file system is read-only: choose another folder",
}

NIGHT_FILE = "night.json"
"""Says which night an output belongs to (`tasks.night.belonging`)."""
NO_CONTENT = (".gitignore", NIGHT_FILE)
"""Names of files that say something about the folder they lie in, and are no part of its content."""


@contextlib.contextmanager
def writing(target: Path) -> Iterator[Path]:
    """Yield a temporary path beside `target`; on success it replaces `target`, on failure it is removed.

    The caller may make a file or a folder of it.

    Raises:
        StorageError: if the disk is full or the folder cannot be written; `target` then is as it was.
    """
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        remove(temporary)
        yield temporary
        if target.is_dir():
            remove(target)
        os.replace(temporary, target)
    except OSError as error:
        remove(temporary)
        reason = _WRITE_ERRORS.get(error.errno or 0)
        if reason is None:
            raise
        raise StorageError(f"could not write {target}: {reason}") from error
    except BaseException:
        remove(temporary)
        raise


def remove(path: Path) -> None:
    """Remove a file or a folder; nothing happens where there is none."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with contextlib.suppress(OSError):
            path.unlink()


def write_text(target: Path, text: str) -> Path:
    """Write UTF-8 text atomically."""
    with writing(target) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return target


def write_json(target: Path, value: Any) -> Path:
    """Write JSON atomically: sorted keys, two spaces, a final newline, so that equal values give equal bytes."""
    return write_text(target, json.dumps(value, indent=2, sort_keys=True, allow_nan=True, default=str) + "\n")


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
