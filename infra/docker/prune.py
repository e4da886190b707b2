"""Uninstall what neither dwell nor the named extras of it need: the lock also holds the tools of its developers."""

import importlib.metadata
import subprocess
import sys
import tomllib
from collections.abc import Iterable
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

KEPT = ("dwell", "pip", "setuptools")


def needed(project: Path, extras: Iterable[str]) -> set[str]:
    """Return the names of all packages that a project needs, directly or not.

    Args:
        project: its pyproject.toml.
        extras: of it, such as s3.
    """
    declared = tomllib.loads(project.read_text())["project"]
    lines = [*KEPT, *declared["dependencies"]]
    for extra in extras:
        lines += declared["optional-dependencies"][extra]
    waiting, seen = [Requirement(line) for line in lines], set[tuple[str, str]]()
    while waiting:
        requirement = waiting.pop()
        name = canonicalize_name(requirement.name)
        for extra in {"", *requirement.extras} - {extra for known, extra in seen if known == name}:
            seen.add((name, extra))
            waiting += _requirements(name, extra)
    return {name for name, _ in seen}


def superfluous(project: Path, extras: Iterable[str]) -> list[str]:
    """Return the sorted names of installed packages that are not needed, but for CUDA's: torch loads them by itself."""
    installed = {canonicalize_name(found.metadata["Name"]) for found in importlib.metadata.distributions()}
    rest = installed - needed(project, extras)
    return sorted(name for name in rest if not name.startswith(("nvidia-", "cuda-", "triton")))


def _requirements(name: str, extra: str) -> list[Requirement]:
    """Return what a package asks for here; nothing for one that is not installed (CUDA's under torch's CPU build)."""
    if name == "dwell":
        return []
    try:
        lines = importlib.metadata.requires(name) or []
    except importlib.metadata.PackageNotFoundError:
        return []
    found = [Requirement(line) for line in lines]
    return [one for one in found if one.marker is None or one.marker.evaluate({"extra": extra})]


if __name__ == "__main__":
    names = superfluous(Path("pyproject.toml"), sys.argv[1:])
    if names:
        subprocess.run([sys.executable, "-m", "pip", "uninstall", "--quiet", "--yes", *names], check=True)
    print(f"{len(names)} packages of developers removed: {', '.join(names)}")
