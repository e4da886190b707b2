"""One small night for the traps that need rows of a log."""

from pathlib import Path

import pytest

from tests.table.small_night import FEATURES, write_features


@pytest.fixture(scope="session")
def night(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the features of the small night, content among them."""
    return write_features(tmp_path_factory.mktemp("night"), config=FEATURES.model_copy(update={"content": True}))
