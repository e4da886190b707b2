"""The small split, written once."""

from collections.abc import Mapping
from pathlib import Path

import pytest
import torch

from benchmarks.kuairand_techjam.rows import TaskRows, read
from tests.benchmarks.kuairand_techjam.layout import SMALL, write_layout


@pytest.fixture(scope="session")
def layout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a data folder that holds the small log."""
    folder = tmp_path_factory.mktemp("techjam")
    write_layout(folder)
    return folder


@pytest.fixture(scope="session")
def parts(layout: Path) -> Mapping[str, TaskRows]:
    """Return its parts."""
    return read(layout / "KuaiRand-Pure", SMALL)


@pytest.fixture(autouse=True, scope="session")
def _one_thread() -> None:
    torch.set_num_threads(1)
