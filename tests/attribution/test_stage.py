"""What the stage evaluate writes of a network, on the small night: sums that add up, and no row of the judge day."""

import json
import shutil
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from pytest import approx
from typer.testing import CliRunner

from flows.cli import app
from models.heads.base import Head
from models.heads.wlr import Wlr
from models.recipe import Recipe
from tasks.attribution.ask import ask
from tasks.attribution.document import DECODE, FILE, ROWS_FILE, Importance, read_importance
from tasks.attribution.stage import attribute
from tasks.core.errors import ConfigError
from tasks.table.build import build_table
from tasks.table.config import TableConfig
from tasks.table.training_table import TrainingTable
from tasks.train.run import NamedRecipe, train
from tasks.train.trees.config import TreesRecipe
from tests.table.small_night import DAYS, write_features
from tests.train.settings import training

pytestmark = pytest.mark.slow

RECIPE = {
    "tasks": {"watch_time": {}, "skip": {"positive_floor": 1}, "hate": {"positive_floor": 100_000}},
    "encoder": {"kind": "packed", "embedding_dim": 4, "history": {"kind": "pooled"}},
    "head": {"kind": "wlr"},
    "set_apart": ["scene"],
}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with features, a table, a network's bundle and one of trees."""
    root = tmp_path_factory.mktemp("attribution")
    shutil.copytree(write_features(tmp_path_factory.mktemp("night")), root / "features")
    build_table(root / "features", TableConfig(), DAYS, root / "table")
    settings = training(seeds=(0, 1), max_epochs=2)
    recipe = Recipe.model_validate(RECIPE)
    train(root / "table", NamedRecipe("small", recipe, settings), root / "small", root / "scratch")
    trees = TreesRecipe(kind="trees", fits=1, max_rounds=10)
    train(root / "table", NamedRecipe("trees", trees, settings), root / "trees", root / "scratch")
    return root


@pytest.fixture(scope="module")
def found(root: Path) -> Importance:
    importance = attribute(root / "small", root / "table", root / "features", root / "out")
    assert importance is not None
    return importance


def test_every_trained_task_ranks_every_field_that_is_read(root: Path, found: Importance) -> None:
    assert list(found.tasks) == ["watch_time", "skip"]  # hate is frozen
    assert {"user_id", "video_id", "history", "duration_log", "aggregates/user", "aggregates/video"} <= set(
        found.fields
    )
    assert "scene" not in found.fields  # set apart
    for scores in found.tasks.values():
        assert sorted(scores.rank) == list(range(1, len(found.fields) + 1))
        assert np.argsort(scores.rank).tolist() == np.argsort([-s for s in scores.score], kind="stable").tolist()
    assert found == read_importance(root / "out", "small")
    assert found.seed == json.loads((root / "small/manifest.json").read_text())["serving_seed"]


def test_seconds_add_up_row_by_row(root: Path, found: Importance) -> None:
    rows = pl.read_parquet(root / "out" / ROWS_FILE)
    made = rows.select(pl.col("^ig_.*$")).to_numpy()
    difference = (rows["predicted_s"] - rows["baseline_s"]).to_numpy()
    complete = ~rows["incomplete"].to_numpy()
    watch_s = np.asarray(TrainingTable.open(root / "table").column("validation", "watch_s"))
    allowed = 0.01 * np.abs(difference) + 0.001 * watch_s.std() + 1e-4
    assert (np.abs(made.sum(axis=1) - difference) <= allowed)[complete].all()
    seconds = found.seconds
    assert seconds is not None and seconds.accepted and seconds.of == "mean" and seconds.rows == rows.height
    assert seconds.complete_share == complete.mean() and seconds.complete_share >= 0.995
    assert list(seconds.mean_absolute_s) == [*found.fields, DECODE]
    means = np.abs(made[complete]).mean(axis=0)
    np.testing.assert_allclose([seconds.mean_absolute_s[name] for name in found.fields], means, rtol=1e-5)
    told = [name for name in seconds.mean_absolute_s if "duration" in name] + [DECODE]
    absolute = {name: value or 0.0 for name, value in seconds.mean_absolute_s.items()}
    assert seconds.duration_share == pytest.approx(sum(absolute[name] for name in told) / sum(absolute.values()))


def test_rows_are_those_of_the_validation_day_and_the_judge_day_need_not_be_there(
    root: Path, found: Importance, tmp_path: Path
) -> None:
    rows = pl.read_parquet(root / "out" / ROWS_FILE)
    users = np.asarray(TrainingTable.open(root / "table").column("validation", "user_id"))
    assert (rows["user_id"].to_numpy() == users[rows["row"].to_numpy()]).all()
    shutil.copytree(root / "table", tmp_path / "table", ignore=shutil.ignore_patterns("judge", "fit"))
    shutil.copytree(root / "features", tmp_path / "features", ignore=shutil.ignore_patterns("*.parquet"))
    assert attribute(root / "small", tmp_path / "table", tmp_path / "features", tmp_path / "out") == found
    for name in (FILE, ROWS_FILE):
        assert (tmp_path / "out" / name).read_bytes() == (root / "out" / name).read_bytes()


def test_trees_are_no_network(root: Path, tmp_path: Path) -> None:
    assert attribute(root / "trees", root / "table", root / "features", tmp_path) is None
    assert list(tmp_path.iterdir()) == [] and read_importance(tmp_path, "trees") is None


def test_seconds_that_no_head_has_are_not_made_up(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for decode in ("decode_mean", "decode_median"):
        monkeypatch.setattr(Wlr, decode, getattr(Head, decode))
    importance = attribute(root / "small", root / "table", root / "features", tmp_path)
    assert importance is not None and importance.seconds is None
    assert not (tmp_path / ROWS_FILE).exists()


def test_seconds_in_steps_are_marked(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    exact = Wlr.decode_mean
    monkeypatch.setattr(Wlr, "decode_mean", lambda *given: exact(*given).mul(0.5).round().mul(2) + 0 * exact(*given))
    importance = attribute(root / "small", root / "table", root / "features", tmp_path)
    assert importance is not None and importance.seconds is not None
    assert not importance.seconds.accepted and importance.seconds.complete_share < 0.5
    assert pl.read_parquet(tmp_path / ROWS_FILE)["incomplete"].mean() == approx(1 - importance.seconds.complete_share)


def test_permutation_stands_beside_it_on_demand(root: Path, found: Importance, monkeypatch: pytest.MonkeyPatch) -> None:
    workspace = root / "workspace"
    for name in ("table", "features"):
        shutil.copytree(root / name, workspace / "data" / name)
    for name in ("small", "trees"):
        shutil.copytree(root / name, workspace / "artifacts/models/recipes" / name)
    monkeypatch.chdir(workspace)
    done = CliRunner().invoke(app, ["importance", "small", "--task", "skip", "--shuffles", "2"])
    assert done.exit_code == 0, done.output
    asked = ask(root / "small", root / "table", root / "features", shuffles=2, task="skip")
    assert done.output.splitlines() == asked.lines()
    assert [field.name for field in asked.fields] == sorted(found.fields, key=lambda name: found.ranks.of("skip")[name])
    assert list(asked.agreement) == ["watch_time", "skip"]
    assert sorted(field.permutation_rank for field in asked.fields) == list(range(1, len(found.fields) + 1))
    by_loss = sorted(asked.fields, key=lambda field: field.permutation_rank)
    assert [field.loss for field in by_loss] == sorted((field.loss for field in asked.fields), reverse=True)
    with pytest.raises(ConfigError, match=r"has no task 'hate': choose among watch_time, skip"):
        ask(root / "small", root / "table", root / "features", shuffles=1, task="hate")
    with pytest.raises(ConfigError, match="is of trees"):
        ask(root / "trees", root / "table", root / "features", shuffles=1, task="skip")
