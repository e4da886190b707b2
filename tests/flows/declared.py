"""Runs the stages of a night with nothing at hand but the inputs that dvc.yaml declares for each.

A stage that reads more fails, or makes other bytes than it makes with everything in sight.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import chdir, contextmanager
from pathlib import Path

from dvc.repo import Repo

from flows.cli import app
from flows.stages import stage_graph
from tasks.core.files import NIGHT_FILE

FOLDERS = ("data", "artifacts", "metrics", "plots")
"""What stages write and read of each other."""
HIDDEN = ".dwell/hidden"


def run_night(root: Path, *key: str) -> None:
    """Prepare a night of a workspace and run its stages in this process.

    Args:
        root: the workspace.
        key: options of `dwell prepare`.
    """
    with chdir(root):
        app(["prepare", *key], standalone_mode=False)
        paths = declared(root)
        for stage in stage_graph(root):
            kind, _, model = stage.partition("@")
            with only(root, paths[stage]):
                app(["stage", kind, *(["--recipe", model] if model else [])], standalone_mode=False)


def declared(root: Path) -> Mapping[str, tuple[Path, ...]]:
    """Return stage -> its dependencies and outputs, absolute."""
    with Repo(str(root)) as repo:
        return {
            stage.name: tuple(Path(item.fs_path).resolve() for item in (*stage.deps, *stage.outs))
            for stage in repo.index.stages
        }


@contextmanager
def only(root: Path, paths: tuple[Path, ...]) -> Iterator[None]:
    """Take all files out of sight that do not lie below some paths, and the folders that held nothing else.

    What says which night an output belongs to stays: it decides whether a stage may run, and no byte of what it makes.

    Raises:
        AssertionError: if a file was written elsewhere meanwhile.
    """
    root = root.resolve()
    hidden = _others(root, paths)
    for file in hidden:
        _move(file, root / HIDDEN / file.relative_to(root))
    yield
    written = _others(root, paths)
    for file in hidden:
        _move(root / HIDDEN / file.relative_to(root), file)
    assert not written, f"written, but declared as no output: {', '.join(map(str, written))}"


def _others(root: Path, paths: tuple[Path, ...]) -> list[Path]:
    files = (file for folder in FOLDERS for file in sorted((root / folder).rglob("*")) if file.is_file())
    return [file for file in files if file.name != NIGHT_FILE and not any(file.is_relative_to(path) for path in paths)]


def _move(file: Path, to: Path) -> None:
    to.parent.mkdir(parents=True, exist_ok=True)
    os.renames(file, to)
