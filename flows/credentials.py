"""Who may talk to the Prefect servers that dwell starts: whoever can read one file of the workspace."""

import os
import secrets
from collections.abc import Mapping
from pathlib import Path

from tasks.core.errors import StorageError

_CLIENT, _SERVER = "PREFECT_API_AUTH_STRING", "PREFECT_SERVER_API_AUTH_STRING"
FILE = ".dwell/prefect.auth"
"""`user:password`, readable by its owner alone; deleted, it is made anew by the next command."""


def guarded(root: Path, given: Mapping[str, str]) -> dict[str, str]:
    """Return the settings under which a server answers nobody without the password, and clients give it.

    Args:
        root: the workspace.
        given: environment; a password there is taken instead of the file's.

    Raises:
        StorageError: if the file cannot be written, is damaged, or can be read by others.
    """
    own = given.get(_SERVER) or given.get(_CLIENT) or _password(root.resolve() / FILE)
    return {
        _SERVER: given.get(_SERVER) or own,
        _CLIENT: given.get(_CLIENT) or own,
        # a page of another origin can neither send what changes anything nor read an answer
        "PREFECT_SERVER_CSRF_PROTECTION_ENABLED": "true",
        "PREFECT_SERVER_CORS_ALLOWED_ORIGINS": "http://127.0.0.1",
    }


def _password(path: Path) -> str:
    """Return what the file holds, which is made first where there is none."""
    try:
        if not path.exists():
            _make(path)
        mode, text = path.stat().st_mode, path.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise StorageError(
            f"{path} cannot be used ({error.strerror}): make the folder writable for this user"
        ) from error
    if mode & 0o077:
        raise StorageError(f"{path} can be read by others: delete it for a new password, or run `chmod 600 {path}`")
    if not text.isprintable() or len(text.partition(":")[2]) < 16:
        raise StorageError(f"{path} holds no password (user:password, 16 characters or more): delete it for a new one")
    return text


def _make(path: Path) -> None:
    """Write a new password; of two processes that do so at once, the second takes what the first wrote."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as stream:
            stream.write(f"dwell:{secrets.token_urlsafe(32)}\n")
        os.link(temporary, path)
    except FileExistsError:
        return
    finally:
        temporary.unlink(missing_ok=True)
