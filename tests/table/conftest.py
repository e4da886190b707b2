"""The small night's features, built once, and a private copy for tests that change them."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.table.small_night import write_features


@pytest.fixture(scope="session")
def features(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_features(tmp_path_factory.mktemp("night"))


@pytest.fixture
def own_features(features: Path, tmp_path: Path) -> Callable[[], Path]:
    """Return a function that copies the features for a test to change."""

    def copy() -> Path:
        return Path(shutil.copytree(features, tmp_path / "own_features"))

    return copy
