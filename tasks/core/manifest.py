"""What a partition was made from: the key that tells whether it can be re-used, and the counts a person asks for."""

import hashlib
from functools import cache
from pathlib import Path

_PROJECT = Path(__file__).resolve().parents[2]
_TASKS = _PROJECT / "tasks"


@cache
def code_hash(*packages: str) -> str:
    """Return one hash over the source of `tasks/<package>` for each package named, and of the contract.

    A partition made by other code is made again: a cached result must equal a fresh one.

    Args:
        packages: folder or module names below `tasks/`, for example "features".
    """
    digest = hashlib.sha256()
    for name in sorted({*packages, "core/contract"}):
        path = _TASKS / name
        sources = sorted(path.rglob("*.py")) if path.is_dir() else [path.with_suffix(".py")]
        for source in sources:
            digest.update(source.relative_to(_TASKS).as_posix().encode() + b"\0" + source.read_bytes())
    return digest.hexdigest()


@cache
def models_hash() -> str:
    """Return one hash over the source of `models/`, which every fit depends on."""
    return _hash_of("models")


@cache
def product_hash() -> str:
    """Return one hash over the source of `models/` and `tasks/`: the code a night was made by."""
    return _hash_of("models", "tasks")


def _hash_of(*folders: str) -> str:
    digest = hashlib.sha256()
    for folder in folders:
        for source in sorted((_PROJECT / folder).rglob("*.py")):
            digest.update(source.relative_to(_PROJECT).as_posix().encode() + b"\0" + source.read_bytes())
    return digest.hexdigest()
