"""A recipe of trees is fitted, loaded, exported and predicts like any other; what its score learns is chosen."""

import datetime as dt
import shutil
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import polars as pl
import pytest
import torch

from models.heads.base import TrainLabels
from tasks.core.errors import TrainingError
from tasks.core.files import hash_tree, read_json
from tasks.core.layout import partition
from tasks.evaluate.table import PredictionTable
from tasks.predict import export_model, load_bundle, load_model, predict_days
from tasks.predict.signature import FILE
from tasks.predict.trees import TreeBundle
from tasks.report.fitted import FittedTrees
from tasks.table.build import build_table
from tasks.table.config import TableConfig
from tasks.table.source import FeatureDays, FeatureFolder
from tasks.train.run import NamedRecipe, train
from tasks.train.trees.boosting import Boosted, TreeTrainer
from tasks.train.trees.config import TargetName, TreesRecipe
from tasks.train.trees.manifest import TreesManifest
from tasks.train.trees.targets import TARGETS
from tests.table.small_night import DAYS, rewrite_rows
from tests.train.settings import training

RECIPE = TreesRecipe(
    fits=2,
    max_rounds=20,
    num_leaves=7,
    min_data_in_leaf=10,
    candidates=("log", "percentile", "seconds", "duration_percentile"),
    tasks=("skip", "hate"),
    positive_floor=200,
)


def fit(table: Path, out: Path, recipe: TreesRecipe = RECIPE) -> Path:
    train(table, NamedRecipe("boosted", recipe, training(seeds=(0, 1))), out / "boosted", out / "scratch")
    return out / "boosted"


@pytest.fixture(scope="module")
def path(table: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fit(table, tmp_path_factory.mktemp("trees"))


@pytest.fixture(scope="module")
def model(path: Path) -> TreeBundle:
    loaded = load_model(path)
    assert isinstance(loaded, TreeBundle)
    return loaded


def rows_of(features: Path, day: dt.date) -> pl.DataFrame:
    return pl.read_parquet(partition(features / "rows", day), hive_partitioning=False)


def test_the_target_that_orders_the_validation_day_best_is_chosen(path: Path) -> None:
    manifest = TreesManifest.model_validate(read_json(path / "manifest.json"))
    assert set(manifest.chosen_by) == set(RECIPE.candidates)
    assert manifest.target == max(manifest.chosen_by, key=lambda name: manifest.chosen_by[name])
    assert len(set(manifest.chosen_by.values())) > 1
    assert {len(trees["score"]) for trees in manifest.num_trees.values()} == {RECIPE.fits}
    assert "p_hate" not in manifest.num_trees[0] and manifest.frozen_tasks == ("hate",)


def test_the_report_reads_how_the_first_fits_went(path: Path) -> None:
    fitted = FittedTrees.read(path, "boosted")
    for seed, trees in fitted.manifest.num_trees.items():
        rows = [epoch for epoch in fitted.curves if epoch.seed == seed]
        assert [epoch.epoch for epoch in rows if epoch.best] == [trees["score"][0]] == [rows[-1].epoch]
    first = fitted.manifest.chosen_by[fitted.manifest.target]
    assert fitted.curves[-1].measured["validation_xauc"] > 0.5
    assert max(e.measured["validation_xauc"] for e in fitted.curves if e.seed == 0 and e.best) == pytest.approx(first)


def test_fits_and_seeds_differ_and_bytes_repeat(table: Path, path: Path, tmp_path: Path) -> None:
    texts = {file.read_text() for file in path.glob("trees/seed*/score-*.txt")}
    assert len(texts) == 2 * RECIPE.fits
    assert hash_tree(fit(table, tmp_path)) == hash_tree(path)


def test_a_fit_that_was_killed_goes_on_with_the_boosters_it_had_not_finished(
    table: Path, path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    boost, begun = TreeTrainer.train, list[str]()

    def train_some(self: TreeTrainer, loss: str, *rest: Any) -> Boosted:
        begun.append(loss)
        if len(begun) == 7:
            raise KeyboardInterrupt
        return boost(self, loss, *rest)

    monkeypatch.setattr(TreeTrainer, "train", train_some)
    with pytest.raises(KeyboardInterrupt):
        fit(table, tmp_path)
    assert hash_tree(fit(table, tmp_path)) == hash_tree(path)
    assert len(begun) == 1 + len(list(path.glob("trees/seed*/*.txt"))) + len(RECIPE.candidates) - 1, "each once"
    assert not list((tmp_path / "scratch").rglob("*.json")), "the bundle holds them"
    other = RECIPE.model_copy(update={"num_leaves": 5})
    begun.clear()
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(TreeTrainer, "train", train_some)
        fit(table, tmp_path / "other")
    assert hash_tree(fit(table, tmp_path / "other", other)) != hash_tree(path)
    assert len(begun) > 7 + len(RECIPE.candidates), "what another recipe left is not taken"


@pytest.mark.slow
def test_the_judge_day_has_no_part_in_a_fit(features: Path, path: Path, tmp_path: Path) -> None:
    copied = Path(shutil.copytree(features, tmp_path / "features"))
    rewrite_rows(copied, DAYS.judge[0], [pl.col("watch_ms") // 5, (1 - pl.col("skip")).cast(pl.Int8).alias("skip")])
    build_table(copied, TableConfig(), DAYS, tmp_path / "table")
    again = fit(tmp_path / "table", tmp_path)
    assert hash_tree(again / "trees") == hash_tree(path / "trees")
    assert read_json(again / "manifest.json")["chosen_by"] == read_json(path / "manifest.json")["chosen_by"]


def test_its_judge_table_is_what_evaluation_reads(path: Path, features: Path, tmp_path: Path) -> None:
    predict_days(path, FeatureDays(features, DAYS.judge), tmp_path / "judge.parquet")
    table = PredictionTable.read("boosted", [tmp_path / "judge.parquet"])
    assert (table.seeds, table.tasks) == ((0, 1), ("skip",))
    for seed in table.seeds:
        assert ((table.watch_mean(seed) >= 0) & (table.watch_mean(seed) <= table.duration)).all()
        assert np.corrcoef(table.score(seed), table.y)[0, 1] > 0.3


def test_rows_are_predicted_alone_unseen_and_none_at_all(model: TreeBundle, features: Path) -> None:
    judge, histories = rows_of(features, DAYS.judge[0]), FeatureFolder.open(features).past()
    whole = model.predict(judge, histories, "judge")
    for name, values in model.predict(judge[100:101], histories, "judge").items():
        np.testing.assert_allclose(values, whole[name][100:101])
    strangers = judge.with_columns(user_id=pl.col("user_id") + 10**9, tag=pl.lit("never seen"))
    assert all(np.isfinite(values).all() for values in model.predict(strangers, histories, "judge").values())
    assert {len(values) for values in model.predict(judge.head(0), histories, "nowhere").values()} == {0}


def test_lightgbm_alone_computes_the_score_from_what_is_exported(
    path: Path, model: TreeBundle, features: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "model"
    export_model(path, folder)
    judge = rows_of(features, DAYS.judge[0])
    about = read_json(folder / FILE)
    duration_s = judge["duration_ms"].to_numpy() / 1000
    matrix = np.empty((judge.height, len(about["columns"])))
    for place, column in enumerate(about["columns"]):
        if column["kind"] == "bucket":
            matrix[:, place] = 1 + np.searchsorted(column["edges"], duration_s, side="right")
        elif column["kind"] == "number":
            values = (judge[column["name"]].cast(pl.Float64).to_numpy() - column["mean"]) / column["scale"]
            matrix[:, place] = np.nan_to_num(np.clip(values, -column["clip"], column["clip"]))
        else:
            levels = {level: 1 + number for number, level in enumerate(column["levels"])}
            matrix[:, place] = [levels.get(level, 0) for level in judge[column["name"]].to_list()]
    fits = [lightgbm.Booster(model_file=folder / f"score-{k}.txt") for k in range(about["fits"]["score"])]
    found = np.mean([fit.predict(matrix.astype(np.float32)) for fit in fits], axis=0)
    state = {name: np.asarray(value) for name, value in about["target_state"].items()}
    score = TARGETS[about["target"]].restored(state).decode(found, duration_s)
    rows = model.encode(judge, FeatureFolder.open(features).past(), "judge")
    raw = model.predict_raw(rows, model.serving_seed)
    np.testing.assert_allclose(score, raw["score"], rtol=1e-4)

    program = torch.export.load(folder / "program.pt2").module()
    said = program({name: torch.from_numpy(values) for name, values in raw.items()}, torch.from_numpy(duration_s))
    assert sorted(said) == list(about["outputs"])
    for name, values in model.predict_encoded(rows, model.serving_seed).items():
        np.testing.assert_allclose(said[name].numpy(), values, rtol=1e-6)


def test_damaged_or_mistaken_bundles_are_named(path: Path, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="is a bundle of trees, boosted, and no network"):
        load_bundle(path)
    broken = Path(shutil.copytree(path, tmp_path / "broken"))
    for file in broken.glob("trees/seed1/score-*.txt"):
        file.unlink()
    with pytest.raises(TrainingError, match="seed1: the trees of the score are missing or do not fit the manifest"):
        load_model(broken)


def test_what_the_table_lacks_is_named(table: Path, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"the recipe learns nothing, but .* has labels for"):
        fit(table, tmp_path, RECIPE.model_copy(update={"tasks": ("nothing",)}))


@pytest.mark.parametrize("name", TARGETS)
def test_a_target_keeps_the_order_of_watch_times_within_a_duration(name: TargetName) -> None:
    draw = np.random.default_rng(3)
    duration_s = draw.choice([10.0, 60.0], 400)
    watch_s = draw.uniform(0, 1, 400) * duration_s
    target = TARGETS[name].fit(TrainLabels(watch_s, duration_s, truncated=True), RECIPE)
    restored = TARGETS[name].restored(target.state())
    read_back = restored.decode(target.encode(watch_s, duration_s), duration_s)
    for duration in (10.0, 60.0):
        here = duration_s == duration
        np.testing.assert_array_equal(np.argsort(read_back[here]), np.argsort(watch_s[here]))
