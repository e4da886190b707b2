"""The small night's features and table, built once, and quick training settings."""

from pathlib import Path

import pytest
import torch

from tasks.table.build import build_table
from tasks.table.config import TableConfig
from tests.table.small_night import DAYS, write_features


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def features(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_features(tmp_path_factory.mktemp("night"))


@pytest.fixture(scope="session")
def table(features: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("table") / "table"
    build_table(features, TableConfig(), DAYS, out)
    return out
