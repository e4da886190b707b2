"""Objects of DVC's cache that no lock file names, and runs that would restore them.

`dvc gc` keeps what git commits name; nights are archived outside of git, so what their lock files name is kept here.
"""

import configparser
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from tasks.core.errors import ConfigError
from tasks.core.yaml_file import read_yaml

_FOLDER = ".dir"


def unreferenced(root: Path, locks: Iterable[Path]) -> list[Path]:
    """Return the objects and runs of a workspace's own cache that no output in some lock files needs.

    A cache that the configuration puts elsewhere may be shared, and is let be; so is one beside an unreadable lock file.
    """
    cache = root / ".dvc/cache"
    if not cache.is_dir() or is_elsewhere(root):
        return []
    try:
        named = {
            digest for lock in locks for stage in read_yaml(lock).value["stages"].values() for digest in _outputs(stage)
        }
    except (ConfigError, KeyError, AttributeError, TypeError):
        return []
    objects = cache / "files/md5"
    needed = named | {digest for folder in named for digest in _content(objects, folder)}
    files = (path for path in sorted(objects.glob("*/*")) if path.parent.name + path.name not in needed)
    return [*files, *_runs(cache / "runs", named)]


def folders(root: Path) -> Iterator[tuple[str, dict[str, Path]]]:
    """Yield the digest of every output folder in a workspace's own cache, and its files: name in it -> object."""
    objects = root / ".dvc/cache/files/md5"
    for path in sorted(objects.glob(f"*/*{_FOLDER}")):
        listed = {entry["relpath"]: entry["md5"] for entry in json.loads(path.read_text())}
        found = {name: objects / digest[:2] / digest[2:] for name, digest in listed.items()}
        yield path.parent.name + path.name, {name: file for name, file in found.items() if file.is_file()}


def outputs_of(lock: Path) -> set[str]:
    """Return the digests of what a lock file says that stages wrote; none without a lock file."""
    stages = read_yaml(lock).value["stages"] if lock.is_file() else {}
    return {digest for stage in stages.values() for digest in _outputs(stage)}


def is_elsewhere(root: Path) -> bool:
    """Tell whether the configuration puts the cache somewhere else, where it may be shared."""
    settings = configparser.ConfigParser()
    settings.read([root / ".dvc/config", root / ".dvc/config.local"])
    return settings.has_option("cache", "dir")


def _outputs(stage: dict[str, Any]) -> Iterator[str]:
    for output in stage.get("outs", ()):
        if digest := output.get("md5"):
            yield digest


def _content(objects: Path, digest: str) -> Iterator[str]:
    """Yield the digests of the files in a folder's object."""
    path = objects / digest[:2] / digest[2:]
    if digest.endswith(_FOLDER) and path.is_file():
        yield from (entry["md5"] for entry in json.loads(path.read_text()))


def _runs(runs: Path, named: set[str]) -> Iterator[Path]:
    """Yield recorded runs whose outputs are no longer there to be restored."""
    for path in sorted(path for path in runs.glob("*/*/*") if path.is_file()):
        try:
            needs = set(_outputs(read_yaml(path).value))
        except (ConfigError, AttributeError):
            needs = set()
        if not needs <= named:
            yield path
