"""Two quick recipes of the small night and their ensemble, made once."""

from collections.abc import Mapping
from pathlib import Path

import pytest
import torch

from models.recipe import Recipe
from tasks.ensemble.stage import build_ensemble
from tasks.table.build import build_table
from tasks.table.config import TableConfig
from tasks.train.config import TrainingConfig
from tasks.train.run import NamedRecipe, train
from tests.table.small_night import DAYS, write_features
from tests.train.settings import training

RECIPES = {
    "first": {"tasks": {"watch_time": {}, "skip": {"positive_floor": 0}, "long_view": {"positive_floor": 0}}},
    "second": {
        "tasks": {"watch_time": {}, "skip": {"positive_floor": 0}, "hate": {"positive_floor": 10**6}},
        "head": {"kind": "wlr"},
        "encoder": {"kind": "packed", "embedding_dim": 4, "history": {"kind": "pooled"}},
    },
}


def settings(**changes: object) -> TrainingConfig:
    """Return settings that fit in about a second."""
    return training(**{"seeds": (0, 1), "max_epochs": 1, **changes})


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


@pytest.fixture(scope="session")
def members(table: Path, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Path]:
    root = tmp_path_factory.mktemp("members")
    for name, recipe in RECIPES.items():
        train(table, NamedRecipe(name, Recipe.model_validate(recipe), settings()), root / name, root / "scratch")
    return {name: root / name for name in RECIPES}


@pytest.fixture(scope="session")
def blend(table: Path, members: Mapping[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The ensemble, where its members no longer are."""
    root = tmp_path_factory.mktemp("ensemble")
    build_ensemble(table, "blend", members, settings(), root / "blend")
    return root / "blend"
