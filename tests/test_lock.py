"""The lock file names all that is installed, for every Python that dwell runs on: nothing resolves what it leaves out."""

import importlib.metadata
import re
from pathlib import Path

import pytest
from packaging.markers import default_environment
from packaging.requirements import Requirement

REPOSITORY = Path(__file__).resolve().parents[1]


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name.lower())


@pytest.mark.parametrize("python", ["3.11.0", "3.11.2", "3.11.7", "3.12.0", "3.13.0"])
def test_every_requirement_of_a_locked_package_is_locked(python: str) -> None:
    environment = {
        **default_environment(),
        "python_version": ".".join(python.split(".")[:2]),
        "python_full_version": python,
    }
    lines = [
        Requirement(line) for line in (REPOSITORY / "requirements.lock").read_text().splitlines() if line[:1] != "#"
    ]
    locked = {normal(line.name) for line in lines if line.marker is None or line.marker.evaluate(environment)}
    missing = []
    for package in importlib.metadata.distributions():
        if normal(package.metadata["Name"]) not in locked:
            continue
        for text in package.requires or ():
            needed = Requirement(text)
            applies = needed.marker is None or needed.marker.evaluate(environment | {"extra": ""})
            if applies and normal(needed.name) not in locked:
                missing.append(f"{package.metadata['Name']} needs {text}")
    assert missing == []
