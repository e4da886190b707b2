"""Uninstall what neither dwell nor the named extras of it need: the lock also holds the tools of its developers."""

import importlib.metadata
import subprocess
import sys
import tomllib
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

KEPT = ("pip", "setuptools")


def dependency_graph(project: Path, extras: Iterable[str]) -> dict[str, set[str]]:
    """Return every package that a project needs here, directly or not, itself included -> the packages that it needs itself.

    Args:
        project: its pyproject.toml.
        extras: of it, such as s3.
    """
    declared = tomllib.loads(project.read_text())["project"]
    lines = [*declared["dependencies"]]
    for extra in extras:
        lines += declared["optional-dependencies"][extra]
    own = canonicalize_name(declared["name"])
    direct = [Requirement(line) for line in lines]
    graph: dict[str, set[str]] = {own: _names(direct)}
    waiting, seen = direct, set[tuple[str, str]]()
    while waiting:
        requirement = waiting.pop()
        name = canonicalize_name(requirement.name)
        for extra in {"", *requirement.extras} - {extra for known, extra in seen if known == name}:
            seen.add((name, extra))
            found = [] if name == own else _requirements(name, extra)
            graph.setdefault(name, set()).update(_names(found))
            waiting += found
    return graph


def superfluous(project: Path, extras: Iterable[str]) -> list[str]:
    """Return the sorted names of installed packages that are not needed, but for CUDA's: torch loads them by itself."""
    rest = installed().keys() - {*KEPT, *dependency_graph(project, extras)}
    return sorted(name for name in rest if not name.startswith(("nvidia-", "cuda-", "triton")))


@cache
def installed() -> dict[str, importlib.metadata.Distribution]:
    """Return every installed package by its name."""
    return {canonicalize_name(found.metadata["Name"]): found for found in importlib.metadata.distributions()}


def _names(requirements: Iterable[Requirement]) -> set[str]:
    return {canonicalize_name(requirement.name) for requirement in requirements}


def _requirements(name: str, extra: str) -> list[Requirement]:
    """Return what a package asks for here; nothing for one that is not installed (CUDA's under torch's CPU build)."""
    package = installed().get(name)
    found = [Requirement(line) for line in (package.requires if package else None) or ()]
    return [one for one in found if one.marker is None or one.marker.evaluate({"extra": extra})]


if __name__ == "__main__":
    names = superfluous(Path("pyproject.toml"), sys.argv[1:])
    if names:
        subprocess.run([sys.executable, "-m", "pip", "uninstall", "--quiet", "--yes", *names], check=True)
    print(f"{len(names)} packages of developers removed: {', '.join(names)}")
