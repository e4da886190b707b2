"""The lock file names all that is installed, for every Python that dwell runs on: nothing resolves what it leaves out."""

import importlib.metadata
import re
from pathlib import Path

import pytest
from packaging.markers import default_environment
from packaging.requirements import Requirement

from infra.lock_file import LINE, read_lock

REPOSITORY = Path(__file__).resolve().parents[1]


def locked() -> list[Requirement]:
    return [package.requirement for package in read_lock(REPOSITORY / "requirements.lock")]


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name.lower())


@pytest.mark.parametrize("python", ["3.11.0", "3.11.2", "3.11.7", "3.12.0", "3.13.0"])
def test_every_requirement_of_a_locked_package_is_locked(python: str) -> None:
    environment = {
        **default_environment(),
        "python_version": ".".join(python.split(".")[:2]),
        "python_full_version": python,
    }
    named = {normal(line.name) for line in locked() if line.marker is None or line.marker.evaluate(environment)}
    missing = []
    for package in importlib.metadata.distributions():
        if normal(package.metadata["Name"]) not in named:
            continue
        for text in package.requires or ():
            needed = Requirement(text)
            applies = needed.marker is None or needed.marker.evaluate(environment | {"extra": ""})
            if applies and normal(needed.name) not in named:
                missing.append(f"{package.metadata['Name']} needs {text}")
    assert missing == []


def test_every_line_is_one_version_with_hashes_and_nothing_else_is_installed() -> None:
    text = (REPOSITORY / "requirements.lock").read_text()
    rest = LINE.sub("", text).splitlines()
    assert all(line.startswith("#") for line in rest)
    assert all([clause.operator for clause in line.specifier] == ["=="] for line in locked())
    steps = [line for line in (REPOSITORY / "Makefile").read_text().splitlines() if line.startswith("\t$(INSTALL)")]
    assert all("--require-hashes" in line or line.endswith("--editable .") for line in steps) and len(steps) == 3


def test_what_is_installed_is_what_is_locked() -> None:
    """So what `make audit ONLINE=1` looks up is what runs."""
    wanted = {normal(line.name): line for line in locked() if line.marker is None or line.marker.evaluate()}
    installed = {normal(package.metadata["Name"]): package.version for package in importlib.metadata.distributions()}
    other = {
        name: installed.get(name)
        for name, line in wanted.items()
        if not line.specifier.contains(installed.get(name, "0"))
    }
    assert other == {}
