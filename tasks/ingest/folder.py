"""Find the files of a source below the path it is given, and what the names of their folders say."""

import glob
import logging
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import unquote

from tasks.core.errors import SourceError

_NO_VALUE = "__HIVE_DEFAULT_PARTITION__"
_log = logging.getLogger(__name__)


def data_folder(path: Path, pattern: str) -> Path:
    """Return the folder that holds files named `pattern`: `path`, its data/, or data/ one folder deeper.

    Raises:
        SourceError: if there is no such folder or no such file in it.
    """
    if not path.is_dir():
        raise SourceError(
            f"{path.absolute()} is no folder: set the source's path to where the data lies, or `dwell download` it"
        )
    for folder in (path, path / "data", *sorted(path.glob("*/data"))):
        if any(folder.glob(pattern)):
            return folder
    raise SourceError(
        f"{path.absolute()} holds no {pattern}, neither itself nor in data/: set the path to the unpacked archive, "
        "and the variant to the one it is"
    )


def root_of(path: Path, key: str) -> Path:
    """Return the folder that files are named from: `path`, or that of `path` where it is one file.

    Raises:
        SourceError: if there is neither.
    """
    if path.is_dir():
        return path
    if path.is_file():
        return path.parent
    raise SourceError(f"{path.absolute()} does not exist: set {key} to the folder or the file of the log")


def listed(path: Path, patterns: Sequence[str], key: str) -> list[Path]:
    """Return the files that patterns name below a path, sorted.

    A pattern that is the name of a file or folder is that, whatever signs it holds; of a folder all files count, at any
    depth. Names that begin with "_" or "." are marks of other programs (_SUCCESS) and are left out, unless they are asked for.

    Args:
        path: a folder, or the one file there is.
        patterns: names or globs below it; none: `path` is the file.
        key: of `params.yaml`, for messages.

    Raises:
        SourceError: if a pattern names no file.
    """
    root = root_of(path, f"the path of the source ({key}.files lie below it)")
    if path.is_file():
        if any(root / pattern != path for pattern in patterns):
            raise SourceError(
                f"{path} is one file, and {key}.files names others: set the path to the folder of all of them"
            )
        return [path]
    if not patterns:
        raise SourceError(f"{path} is a folder: name files in it under {key}.files, or set the path to one file")
    found: set[Path] = set()
    for pattern in patterns:
        matches = _matches(root, pattern)
        if not matches:
            raise SourceError(f"no file matches {root.absolute() / pattern}: check the source's path and {key}.files")
        found |= matches
    return sorted(found)


def partitions(label: str) -> dict[str, str | None]:
    """Return what the folders of a file say: column -> value, from parts of its path such as day=2024-03-01."""
    parts = (part.partition("=") for part in label.split("/")[:-1])
    return {name: None if value == _NO_VALUE else unquote(value) for name, sign, value in parts if sign and name}


def _matches(root: Path, pattern: str) -> set[Path]:
    literal = root / pattern
    if literal.is_file():
        return {literal}
    named = (
        [literal]
        if literal.is_dir()
        else [Path(name) for name in glob.glob(f"{glob.escape(str(root))}/{pattern}", recursive=True)]
    )
    found = {
        file for name in named for file in (sorted(name.rglob("*")) if name.is_dir() else [name]) if file.is_file()
    }
    log = next((folder for name in named for folder in (name, *name.parents) if (folder / "_delta_log").is_dir()), None)
    if log:
        raise SourceError(
            f"{log} is a Delta table, whose files also hold rows that were deleted: write a plain copy of it"
        )
    asked = {part for part in pattern.split("/") if part.startswith(("_", "."))}
    marks = {
        file
        for file in found
        if any(part.startswith(("_", ".")) for part in file.relative_to(root).parts) and not asked
    }
    if marks:
        _log.info("%s: left out %s", root, ", ".join(sorted(mark.name for mark in marks)[:5]))
    return found - marks
