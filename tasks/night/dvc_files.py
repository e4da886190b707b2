"""Files of DVC that a kill or a merge can damage: dvc.lock, and the lock that DVC rewrites in place."""

import json
from collections.abc import Callable
from pathlib import Path

from tasks.core.errors import ConfigError
from tasks.core.yaml_file import read_yaml

RWLOCK = ".dvc/tmp/rwlock"


def damaged_lock(path: Path) -> str | None:
    """Return what is wrong with dvc.lock, in one line; None: nothing, or there is none yet."""
    if not path.exists():
        return None
    problem = unreadable(path, read_yaml)
    if problem is None and not isinstance(read_yaml(path).value.get("stages"), dict):
        problem = f"{path.name} holds no stages"
    return problem


def unreadable(path: Path, read: Callable[[Path], object]) -> str | None:
    """Return why a file cannot be read, in one line: merge markers first, they explain the rest."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    except UnicodeDecodeError:
        return f"{path.name} is not UTF-8 text"
    for number, line in enumerate(lines, start=1):
        if line.startswith(("<<<<<<< ", "=======", ">>>>>>> ")):
            return f"{path.name}: line {number} is the mark of a merge that was not finished ({line[:30]!r})"
    try:
        read(path)
    except ConfigError as error:
        return " ".join(str(error).split())
    return None


def is_cut_short(path: Path) -> bool:
    """Whether a JSON file that is rewritten in place was left half written."""
    try:
        json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return False
    except ValueError:
        return True
    return False
