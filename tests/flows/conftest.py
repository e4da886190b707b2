"""Prefect reads its settings when it is imported."""

import contextlib
import shutil
from pathlib import Path

import pytest

from flows import environment
from tests.flows.small_night import lock, make_workspace, run, tiny_params

environment.prepare(Path(__file__).resolve().parents[2])


def decide(root: Path) -> None:
    """Publish the night whose stages a workspace has run by hand."""
    from tasks.core.layout import Workspace
    from tasks.core.run_key import load_run_key
    from tasks.night.publish import publish

    committed = run(["dvc", "commit", "--force"], root)
    assert committed.returncode == 0, committed.stdout[-2000:]
    with contextlib.chdir(root):
        publish(Workspace(), load_run_key(Path("run.yaml")), dict.fromkeys(lock(root)["stages"], "ran"))


@pytest.fixture(scope="session")
def by_hand(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small night run without DVC and Prefect, each stage with nothing in sight but what dvc.yaml declares; only to be read."""
    from tests.flows.declared import run_night  # loads DVC and Prefect, which takes seconds

    root = make_workspace(tmp_path_factory.mktemp("by_hand") / "workspace", tiny_params())
    run_night(root)
    return root


@pytest.fixture(scope="session")
def decided(by_hand: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace whose first night was run and published by hand; only to be read."""
    root = shutil.copytree(by_hand, tmp_path_factory.mktemp("decided") / "workspace")
    decide(root)
    return root
