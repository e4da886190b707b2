"""Immutable folders named by their content: copying in, checking, copying out."""

import logging
import os
import shutil
from collections.abc import Callable
from pathlib import Path

from tasks.core.errors import RegistryError
from tasks.core.files import NO_CONTENT, hash_file, hash_tree, remove, unfinished, writing

ID_LENGTH = 16
"""Hexadecimal digits of an id (64 bits of SHA-256)."""

_log = logging.getLogger(__name__)


def listing(folder: Path) -> dict[str, str]:
    """Return relative name -> SHA-256 of every file below a folder that is content."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name not in NO_CONTENT)
    return {path.relative_to(folder).as_posix(): hash_file(path) for path in files}


def copy_files(source: Path, target: Path) -> None:
    """Copy every file below a folder, links resolved, what is no content left out.

    Raises:
        RegistryError: if the folder does not exist or is empty.
    """
    names = listing(source) if source.is_dir() else {}
    if not names:
        raise RegistryError(f"{source} holds no files to copy: run the stage that writes it first")
    for name in names:
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source / name, target / name)


def admit(parent: Path, fill: Callable[[Path], None], prefix: str = "") -> str:
    """Add a folder and return its id, `prefix` + hash of its content; the same content is added once.

    The caller holds the registry's lock. The folder is on disk (synced) under its final name before this returns.

    Args:
        parent: where folders of this sort lie.
        fill: writes the content into a new folder.
        prefix: readable start of the id.
    """
    for stale in parent.glob(".*"):  # left by a process that was killed; nobody else writes while we hold the lock
        remove(stale)
    for stale in parent.glob(".*"):  # left by a process that was killed; nobody else writes while we hold the lock
        remove(stale)
    with unfinished(parent / "incoming") as folder:
        incoming = folder / "incoming"
        incoming.mkdir()
        fill(incoming)
        content = hash_tree(incoming)
        target = parent / f"{prefix}{content[:ID_LENGTH]}"
        if target.exists() and hash_tree(target) == content:
            return target.name
        if target.exists():
            _log.warning("%s was damaged and is replaced by a sound copy", target)
        with writing(target, durable=True) as temporary:
            os.rename(incoming, temporary)
        return target.name


def check(folder: Path, identity: str, files: dict[str, str], manifest: str) -> None:
    """Check a folder against its id.

    Args:
        folder: a folder of the registry, or a copy of one.
        identity: its id, whose last part is the hash of its content.
        files: name -> hash of everything but the manifest, as the manifest states it.
        manifest: name of the manifest file.

    Raises:
        RegistryError: naming the files that are missing, changed or foreign.
    """
    if hash_tree(folder)[:ID_LENGTH] == identity[-ID_LENGTH:]:
        return
    found = listing(folder)
    found.pop(manifest, None)
    wrong = [f"{name} is missing" for name in files if name not in found]
    wrong += [f"{name} was changed" for name in files if name in found and found[name] != files[name]]
    wrong += [f"{name} does not belong there" for name in found if name not in files]
    raise RegistryError(
        f"registry entry {folder} is damaged: {'; '.join(wrong) or f'{manifest} was changed'}. Restore it from a "
        "backup of the registry, or roll back to another entry (`dwell rollback`)"
    )
