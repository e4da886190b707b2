"""The small night's table, built once, and workspaces that hold it with their own params.yaml."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from tasks.core.layout import Workspace
from tasks.table.build import build_table
from tasks.table.config import TableConfig
from tests.table.small_night import DAYS, write_features

RECIPE = {
    "encoder": {"kind": "packed", "embedding_dim": 4},
    "trunk": {"kind": "shared_bottom", "hidden": [16, 8], "dropout": 0.1},
    "tasks": {"watch_time": {}, "skip": {"weight": 0.5}},
}
TRAINING = {
    "max_epochs": 3,
    "batch_size": 64,
    "learning_rate": 3e-3,
    "device": "cpu",
    "calibration": {"min_rows": 100, "min_group_rows": 40, "groups": 4, "max_tre": 1.0},
}
TUNING = {"trials": 6, "startup_trials": 3, "pruning": {"startup_trials": 3}, "confirmation_seeds": [100]}

MakeWorkspace = Callable[..., Workspace]


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("table") / "table"
    build_table(write_features(tmp_path_factory.mktemp("night"), rows_per_day=250), TableConfig(), DAYS, out)
    return out


@pytest.fixture(scope="session")
def make_workspace(table: Path, tmp_path_factory: pytest.TempPathFactory) -> MakeWorkspace:
    """Return a function that makes a workspace with the table and a recipe `small`."""

    def make(tuning: dict[str, Any] | None = None, **training: Any) -> Workspace:
        workspace = Workspace(tmp_path_factory.mktemp("workspace"))
        shutil.copytree(table, workspace.table)
        params = {
            "default_source": "simulator",
            "sources": {"simulator": {"kind": "simulator"}},
            "nightly": {"recipes": ["small"]},
            "recipes": {"small": RECIPE},
            "training": TRAINING | training,
            "tuning": TUNING | (tuning or {}),
            "evaluation": {"replicates": 100},
        }
        workspace.params.write_text(yaml.safe_dump(params, sort_keys=False))
        return workspace

    return make
