"""Fixtures shared by all tests."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the nights of tests/flows: one worker is busy with them for as long as the other with all the rest."""
    items.sort(key=lambda item: "flows" not in item.path.parts)


@pytest.fixture(scope="session")
def shared_data() -> Callable[[str], Path]:
    """Return a function that finds a folder of real data below $DWELL_DATA, or skips the test where it is absent."""

    def find(name: str) -> Path:
        root = Path(os.environ.get("DWELL_DATA", REPOSITORY.parent / "shared/data"))
        folder = root / name
        if not folder.is_dir():
            pytest.skip(f"needs the real data folder {name}: set DWELL_DATA to the folder that holds it")
        return folder

    return find
