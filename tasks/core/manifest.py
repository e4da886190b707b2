"""What a partition was made from: the key that tells whether it can be re-used, and the counts a person asks for."""

import hashlib
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path

from tasks.core.imports import PROJECT

_TASKS = PROJECT / "tasks"


@cache
def code_hash(*packages: str) -> str:
    """Return one hash over the source of `tasks/<package>` for each package named, and of the contract with its labels and days.

    A partition made by other code is made again: a cached result must equal a fresh one.

    Args:
        packages: folder or module names below `tasks/`, for example "features".
    """
    digest = hashlib.sha256()
    for name in sorted({*packages, "core/contract", "core/days", "core/labels"}):
        path = _TASKS / name
        sources = sorted(path.rglob("*.py")) if path.is_dir() else [path.with_suffix(".py")]
        for source in sources:
            digest.update(source.relative_to(_TASKS).as_posix().encode() + b"\0" + source.read_bytes())
    return digest.hexdigest()


def source_hash(files: Iterable[Path], names: Sequence[str] = ()) -> str:
    """Return one hash over some files of the project and some names.

    Args:
        files: in any order; their place in the project counts.
        names: what else tells this code from other code.
    """
    return _hash_of(sorted(files), names)


@cache
def models_hash() -> str:
    """Return one hash over the source of `models/`: whatever components there are."""
    return _hash_of(_sources("models"))


@cache
def product_hash() -> str:
    """Return one hash over the source of `models/` and `tasks/`: the code a night was made by."""
    return _hash_of([*_sources("models"), *_sources("tasks")])


def _sources(folder: str) -> list[Path]:
    return sorted((PROJECT / folder).rglob("*.py"))


def _hash_of(files: Iterable[Path], names: Iterable[str] = ()) -> str:
    digest = hashlib.sha256("\n".join(names).encode())
    for source in files:
        digest.update(source.relative_to(PROJECT).as_posix().encode() + b"\0" + source.read_bytes())
    return digest.hexdigest()
