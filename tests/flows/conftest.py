"""Prefect reads its settings when it is imported; tables of its server that need not be made anew."""

import contextlib
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from flows import environment
from tests.flows.small_night import make_workspace, tiny_params

environment.prepare(Path(__file__).resolve().parents[2])


@pytest.fixture(scope="session")
def by_hand(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small night run without DVC and Prefect, each stage with nothing in sight but what dvc.yaml declares; only to be read."""
    from tests.flows.declared import run_night  # loads DVC and Prefect, which takes seconds

    root = make_workspace(tmp_path_factory.mktemp("by_hand") / "workspace", tiny_params())
    run_night(root)
    return root


@pytest.fixture
def embedded_home(prefect_server: dict[str, str]) -> Callable[[Path], Path]:
    """Return a function that gives a workspace the tables of an embedded server: to make them anew takes half a minute."""

    def make(root: Path) -> Path:
        home = root / ".dwell/prefect"
        home.mkdir(parents=True, exist_ok=True)
        tables = sqlite3.connect(Path(prefect_server["PREFECT_HOME"]) / "prefect.db")
        with contextlib.closing(tables) as made, contextlib.closing(sqlite3.connect(home / "prefect.db")) as copy:
            made.backup(copy)
        return home

    return make
