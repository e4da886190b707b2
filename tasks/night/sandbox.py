"""A workspace beside this one, for experiments: whatever runs in it, the nights, ledger and champion here stay as they are."""

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from tasks.config import load_params
from tasks.core.errors import ConfigError, NightError
from tasks.core.files import writing
from tasks.core.layout import Workspace
from tasks.ingest import data_path

_CACHE = ".dvc/cache"


def make_sandbox(workspace: Workspace, name: str) -> Path:
    """Copy a workspace: code, stage graph, configuration and run key as they are on disk, registry and archived nights.

    It is a git repository of its own, reads sources where they lie, and has the same content in its cache of DVC (linked, so
    that neither can take it from the other) and the outputs of dvc.lock, so that what is not changed need not run again.

    Args:
        workspace: whose copy is made.
        name: of the sandbox.

    Returns:
        its folder.

    Raises:
        ConfigError: if there is one of that name.
        NightError: if git cannot say what belongs to the workspace, or the copy cannot be set up.
    """
    target, root = workspace.sandbox(name), workspace.root.resolve()
    if target.exists():
        raise ConfigError(f"{target} exists already: work in it, remove it (rm -r {target}), or choose another name")
    with writing(target) as folder:
        copy_code(workspace, folder)
        for written in ("registry", "nights"):
            if (root / written).is_dir():
                shutil.copytree(root / written, folder / written)
        if (root / _CACHE).is_dir():
            shutil.copytree(root / _CACHE, folder / _CACHE, copy_function=_link)
        begin_repository(folder)
        check_out(folder)
    return target


def copy_code(workspace: Workspace, folder: Path, data: Path | None = None) -> None:
    """Make a folder that holds code, stage graph, configuration and run key of a workspace, and sees sources where they lie.

    Args:
        workspace: whose copy is made.
        folder: to be made.
        data: a further path that a source is read from.

    Raises:
        NightError: if git cannot say what belongs to the workspace.
    """
    folder.mkdir()
    root = workspace.root.resolve()
    for file in (*_own_files(root), Path(workspace.run_key.name)):
        if not (root / file).is_file():
            continue
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(root / file, folder / file)
    for place in _sources(workspace, data):
        if not (folder / place).exists():
            (folder / place).parent.mkdir(parents=True, exist_ok=True)
            (folder / place).symlink_to(root / place)


def begin_repository(folder: Path) -> None:
    """Make a folder a git repository of its own, which DVC asks for.

    Raises:
        NightError: if git cannot.
    """
    run_in(folder, ["git", "init", "--quiet"], "git cannot begin a repository in")


def check_out(folder: Path) -> None:
    """Put the outputs that dvc.lock names in place, as far as DVC's cache has them.

    Raises:
        NightError: if DVC cannot.
    """
    if (folder / "dvc.lock").is_file():
        command = [sys.executable, "-m", "dvc", "checkout", "--quiet", "--allow-missing"]
        run_in(folder, command, "DVC cannot check out the outputs of dvc.lock in")


def _own_files(root: Path) -> list[Path]:
    """Return the files git tracks or would track, as they are on disk; what nights write is ignored by it."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    return [Path(name) for name in run_in(root, command, "git cannot list the files of").split("\0") if name]


def run_in(folder: Path, command: Sequence[str], failing: str) -> str:
    """Run a command in a folder and return what it prints.

    Args:
        folder: working directory.
        command: what to run.
        failing: begins the error; the folder stands behind it.

    Raises:
        NightError: if it fails.
    """
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise NightError(f"{failing} {folder} ({done.stderr.strip()}): no copy of the workspace was made")
    return done.stdout


def _sources(workspace: Workspace, data: Path | None) -> set[Path]:
    """Return the places of data inside the workspace, which the copy has to see at the same path."""
    paths = {data_path(source) for source in load_params(workspace.params).sources.values()}
    paths |= set() if data is None else {data}
    return {path for path in paths if not path.is_absolute() and (workspace.root / path).exists()}


def _link(source: str, target: str) -> None:
    """Give a file of the cache, which nothing changes in place, a second name; copy it where that cannot be."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
