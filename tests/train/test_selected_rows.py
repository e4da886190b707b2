"""Recipes on selected rows: what they learn is what all rows teach, and without weights it is not."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray

from models.recipe import Recipe
from tasks.core.errors import ConfigError, ContractError
from tasks.core.files import read_json
from tasks.core.layout import partition
from tasks.predict import load_fitted
from tasks.table.build import build_table
from tasks.table.columns import open_column
from tasks.table.config import TableConfig
from tasks.table.selection.config import RareSelection
from tasks.table.training_table import TrainingTable
from tasks.train.batches import Split
from tasks.train.problem import FitProblem, open_problem
from tasks.train.run import NamedRecipe, train
from tasks.train.trees.config import TreesRecipe
from tests.table.small_night import DAYS, write_features
from tests.train.settings import training

SELECTION = RareSelection(share=0.25, power=2.0, least=0.05)
LENGTH_MS = 40_000
BLIND: dict[str, Any] = {"categorical": ("user_id",), "dense": (), "duration_buckets": 2}
"""Nothing that a model could tell videos apart by: what it predicts of a video is the mean of those it learned from."""
HEADS = ("d2q", "cread", "tpm", "wlr", "rad")
NETWORK = Recipe.model_validate(
    {
        "tasks": {"watch_time": {}, "skip": {"positive_floor": 10}},
        "encoder": {"kind": "packed", "embedding_dim": 2},
        "trunk": {"kind": "shared_bottom", "hidden": (8,), "dropout": 0.0},
        "head": {"kind": "vr_mse"},
    }
)
TREES = TreesRecipe(
    fits=1, max_rounds=60, patience=60, num_leaves=4, min_data_in_leaf=20, candidates=("log",), predict_mean=True, tasks=("skip",), positive_floor=10
)  # fmt: skip


@pytest.fixture(scope="module")
def skewed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Features of a log in which every other video is shown often and watched to the end, and the rest are shown one time in eight
    and skipped."""
    features = write_features(tmp_path_factory.mktemp("skewed"), rows_per_day=2_000)
    often = pl.col("video_id") % 2 == 0
    watched = pl.when(often).then(0.8).otherwise(0.1) + pl.col("user_id") % 5 / 50
    for day in (*DAYS.fit, DAYS.validation, *DAYS.judge):
        path = partition(features / "rows", day)
        rows = pl.read_parquet(path, hive_partitioning=False)
        rows.filter(often | (pl.int_range(pl.len()) % 8 == 0)).with_columns(
            duration_ms=pl.lit(LENGTH_MS, rows.schema["duration_ms"]),
            watch_ms=(LENGTH_MS * watched).cast(rows.schema["watch_ms"]),
            skip=(~often).cast(rows.schema["skip"]),
        ).write_parquet(path)
    return features


@pytest.fixture(scope="module")
def tables(skewed: Path, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Path]:
    """All rows; selected ones; and the wrong twin, whose weights are all alike."""
    folder = tmp_path_factory.mktemp("tables")
    build_table(skewed, TableConfig(**BLIND), DAYS, folder / "whole")
    build_table(skewed, TableConfig(**BLIND, selection=SELECTION), DAYS, folder / "selected")
    shutil.copytree(folder / "selected", folder / "unweighted")
    path = folder / "unweighted/selected/weight.npy"
    np.save(path, np.ones_like(np.load(path)))
    return {name: folder / name for name in ("whole", "selected", "unweighted")}


def problem_of(table: Path, **changes: Any) -> FitProblem:
    return open_problem(TrainingTable.open(table), Recipe.model_validate(NETWORK.model_dump() | changes))


@pytest.mark.parametrize("head", HEADS)
def test_label_state_is_that_of_all_rows(head: str, tables: Mapping[str, Path]) -> None:
    fields = {"fields": ("user_id",)} if head == "res_d2q" else {}
    whole, selected = (problem_of(tables[name], head={"kind": head, **fields}) for name in ("whole", "selected"))
    assert whole.head_state.keys() == selected.head_state.keys() and whole.head_state
    for name, value in whole.head_state.items():
        np.testing.assert_array_equal(value, selected.head_state[name])
    np.testing.assert_array_equal(whole.labels.watch_s, selected.labels.watch_s)


def test_propensities_are_fitted_on_all_rows_and_are_those_of_the_selected_ones(tables: Mapping[str, Path]) -> None:
    changes = {"objective": {"kind": "ips"}, "propensity": {"kind": "popularity"}}
    whole, selected = (problem_of(tables[name], **changes) for name in ("whole", "selected"))
    assert whole.propensity is not None and selected.propensity is not None
    for name, value in whole.propensity.items():
        np.testing.assert_array_equal(value, selected.propensity[name])
    kept_R = pl.read_parquet(tables["selected"] / "train_selection.parquet")["kept"].to_numpy()
    assert problem_rows(whole, "propensity")[kept_R].tolist() == problem_rows(selected, "propensity").tolist()


def problem_rows(problem: FitProblem, name: str) -> NDArray[Any]:
    split: Split = problem.fit.impressions
    return np.array(split.read(0, split.num_rows).columns[name])


def test_every_row_of_an_epoch_carries_its_weight_and_those_of_all_rows_none(tables: Mapping[str, Path]) -> None:
    weight_S = open_column(tables["selected"] / "selected", "weight")
    epoch = list(problem_of(tables["selected"]).fit.epoch(64, 300, seed=0, epoch=0))
    pool = np.concatenate([batch.pool_B.numpy() for batch in epoch if batch.pool_B is not None])
    np.testing.assert_allclose(np.sort(pool), np.sort(weight_S / weight_S.mean()), rtol=1e-6)
    whole = problem_of(tables["whole"])
    assert all(batch.pool_B is None for batch in whole.fit.epoch(512, 4_000, seed=0, epoch=0))
    validation = problem_of(tables["selected"]).validation
    assert all(batch.pool_B is None for _, batch in validation.evaluation(512))
    assert whole.validation.impressions.num_rows == validation.impressions.num_rows


def test_positives_are_counted_among_the_rows_that_steps_read(tables: Mapping[str, Path]) -> None:
    found = {}
    for name in ("whole", "selected"):
        problem = problem_of(tables[name], tasks={"watch_time": {}, "long_view": {"positive_floor": 900}})
        labels = problem.table.column(problem.table.stepped, "labels")
        found[name] = problem.positives["long_view"]
        assert found[name] == labels[:, problem.table.tasks.index("long_view")].sum()
        assert problem.frozen == (() if name == "whole" else ("long_view",))
    assert found["selected"] < found["whole"]


def level(table: Path, recipe: Recipe | TreesRecipe, out: Path) -> dict[str, float]:
    """Return the mean of what a fit predicts for all rows of the fit days, over that of their labels, before calibration."""
    settings = training(seeds=(0,), learning_rate=0.02, max_epochs=6, patience=6, batch_size=64)
    train(table, NamedRecipe("r", recipe, settings), out / "b", out / "s")
    model, opened = load_fitted(out / "b"), TrainingTable.open(table)
    split = Split(opened.split("fit"), (), ("ids", "dense", "duration_s"), with_history=False)
    raw = model.predict_raw(split.read(0, split.num_rows), 0)
    skips = opened.column("fit", "labels")[:, opened.tasks.index("skip")]
    return {
        "watch": float(np.mean(raw["mean"]) / opened.column("fit", "watch_s").astype(float).mean()),
        "skip": float(np.mean(raw["p_skip"]) / skips.mean()),
    }


@pytest.mark.slow
@pytest.mark.parametrize("recipe", [NETWORK, TREES], ids=["network", "trees"])
def test_the_level_of_a_fit_is_that_of_all_rows_and_the_wrong_twin_misses_it(
    recipe: Recipe | TreesRecipe, tables: Mapping[str, Path], tmp_path: Path
) -> None:
    """The twin, whose weights are all alike, is the very same fit on the very same rows; it fails the assertion."""
    found = {name: level(table, recipe, tmp_path / name) for name, table in tables.items()}
    off = {name: {task: abs(of[task] - found["whole"][task]) for task in of} for name, of in found.items()}
    assert max(off["selected"].values()) < 0.1, found
    assert min(off["unweighted"].values()) > 0.15, found
    manifest = read_json(tmp_path / "selected/b/manifest.json")
    assert manifest["selection"]["kept"] < 0.4 * manifest["rows"]["fit"]
    assert "selection" not in read_json(tmp_path / "whole/b/manifest.json")


def test_a_recipe_that_knows_no_weights_is_refused(tables: Mapping[str, Path], tmp_path: Path) -> None:
    recipe = Recipe.model_validate({"trunk": {"kind": "home"}, "ranking": {"kind": "pairs"}})
    with pytest.raises(ConfigError, match=r"this recipe cannot learn from the rows.*ranking 'pairs', trunk 'home'"):
        train(tables["selected"], NamedRecipe("r", recipe, training()), tmp_path / "b", tmp_path / "s")


@pytest.mark.parametrize("recipe", [NETWORK, TREES], ids=["network", "trees"])
def test_a_fit_whose_weights_were_lost_is_refused(
    recipe: Recipe | TreesRecipe, tables: Mapping[str, Path], tmp_path: Path
) -> None:
    lost = Path(shutil.copytree(tables["selected"], tmp_path / "t"))
    (lost / "selected/weight.npy").unlink()
    with pytest.raises(ContractError, match=r"weight\.npy is gone: rows were selected"):
        train(lost, NamedRecipe("r", recipe, training()), tmp_path / "b", tmp_path / "s")
    assert not (tmp_path / "b").exists()
