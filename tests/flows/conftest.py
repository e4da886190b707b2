"""Prefect reads its settings when it is imported."""

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
