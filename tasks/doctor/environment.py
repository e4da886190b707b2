"""Interpreter and packages against the lock file."""

import importlib.metadata
import re
from collections.abc import Iterator
from pathlib import Path

from tasks.doctor.finding import Finding

_PINNED = re.compile(r"^([A-Za-z0-9_.-]+)==([^\s;\\]+)", re.MULTILINE)
_SHOWN = 5


def environment(lock: Path) -> Iterator[Finding]:
    """Yield what is wrong with the environment this runs in.

    Args:
        lock: requirements.lock; an installation without the project's sources has none.
    """
    if lock.is_file():
        wrong = [line for name, wanted in _PINNED.findall(lock.read_text()) if (line := _difference(name, wanted))]
        if wrong:
            named = ", ".join(wrong[:_SHOWN]) + (f" and {len(wrong) - _SHOWN} more" if len(wrong) > _SHOWN else "")
            yield Finding(f"packages differ from {lock.name}: {named}", "run `make setup`", grave=False)
    try:
        import torch

        torch.zeros(2).sum()
    except (ImportError, OSError, RuntimeError) as error:
        yield Finding(f"torch cannot be used ({str(error).splitlines()[0]})", "run `make setup`")


def _difference(name: str, wanted: str) -> str | None:
    try:
        found = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return f"{name} is missing"
    return None if found == wanted else f"{name} is {found}, not {wanted}"
