"""Files of DVC that a kill or a merge can damage: dvc.lock, and the lock that DVC rewrites in place."""

import datetime as dt
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tasks.core.errors import ConfigError
from tasks.core.files import write_text
from tasks.core.layout import Workspace
from tasks.core.yaml_file import merge_mark, read_yaml

RWLOCK = ".dvc/tmp/rwlock"


def damaged_lock(path: Path) -> str | None:
    """Return what is wrong with dvc.lock, in one line; None: nothing, or there is none yet."""
    if not path.exists():
        return None
    if problem := unreadable(path, read_yaml):
        return problem
    stages = read_yaml(path).value.get("stages")
    if not isinstance(stages, dict):
        return f"{path.name} holds no stages"
    for name, stage in stages.items():  # DVC rewrites the file in place: a kill may cut it between two keys
        if not _is_whole(stage):
            return f"{path.name}: stage {name} was cut short"
    return None


def _is_whole(stage: Any) -> bool:
    if not isinstance(stage, dict) or "cmd" not in stage:
        return False
    for kind in ("deps", "outs"):
        items = stage.get(kind, [])
        if not isinstance(items, list):
            return False
        for item in items:
            if not isinstance(item, dict) or "path" not in item or not ({"md5", "hash"} & item.keys()):
                return False
            if any(value is None for value in item.values()):
                return False
    return True


def sort_lock(path: Path) -> None:
    """Put the stages of dvc.lock in order of their names: DVC adds each when it ends, and which of two ends first is chance."""
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    start = lines.index("stages:\n") + 1
    stages: list[list[str]] = []
    for line in lines[start:]:
        if not line.startswith("   "):  # the name of a stage is indented by two
            stages.append([])
        stages[-1].append(line)
    ordered = "".join(line for stage in sorted(stages, key=lambda stage: stage[0]) for line in stage)
    text = "".join(lines[:start]) + ordered
    if text != "".join(lines):
        write_text(path, text, durable=True)


def is_in_a_merge(path: Path) -> bool:
    """Whether a person has to settle a merge in a text file: two versions of it stand there, and neither is damaged."""
    return path.is_file() and merge_mark(path.read_text(encoding="utf-8", errors="replace")) is not None


def put_aside(workspace: Workspace, path: Path) -> str:
    """Move a damaged file below `.dwell/damaged`: nothing is deleted. Return what was done."""
    folder = workspace.scratch / "damaged"
    folder.mkdir(parents=True, exist_ok=True)
    moved = folder / f"{path.name}.{dt.datetime.now(dt.UTC):%Y%m%dT%H%M%S}"
    os.replace(path, moved)
    return f"moved {path.name} to {moved.relative_to(workspace.root)}"


def set_aside_damage(workspace: Workspace) -> str | None:
    """Put dvc.lock aside where a kill damaged it, so that its stages are settled anew; a merge is left to a person.

    Returns:
        What was wrong and what was done, in one line; None: nothing.
    """
    path = workspace.root / "dvc.lock"
    if not (problem := damaged_lock(path)) or is_in_a_merge(path):
        return None
    return f"{problem}, by a kill: {put_aside(workspace, path)}"


def unreadable(path: Path, read: Callable[[Path], object]) -> str | None:
    """Return why a file cannot be read, in one line: merge markers first, they explain the rest."""
    try:
        mark = merge_mark(path.read_text(encoding="utf-8")) if path.is_file() else None
    except UnicodeDecodeError:
        return f"{path.name} is not UTF-8 text"
    if mark:
        return f"{path.name}: line {mark.line} is the mark of a merge that was not finished ({mark.text[:30]!r})"
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
