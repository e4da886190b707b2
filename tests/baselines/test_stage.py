import json
import shutil

import numpy as np
import polars as pl
import pytest

from tasks.baselines.config import BaselineConfig
from tasks.baselines.stage import fit_baselines
from tasks.core.files import hash_tree
from tasks.evaluate.compare import compare
from tasks.evaluate.config import EvaluationConfig
from tasks.evaluate.edges import fit_duration_edges
from tasks.evaluate.stage import evaluate
from tasks.table.build import build_table
from tasks.table.config import TableConfig
from tasks.train.config import CalibrationConfig, TrainingConfig
from tasks.train.trees.config import TreesRecipe
from tasks.train.trees.forest import seed_folder, tree_files
from tasks.train.trees.run import train_trees

CONFIG = BaselineConfig(
    duration_groups=20,
    num_threads=1,
    shrinkage=5,
    calibration=CalibrationConfig(groups=2, min_group_rows=100, min_rows=200, max_tre=0.5),
    lightgbm=TreesRecipe(fits=1, num_leaves=7, max_rounds=30, patience=10, min_data_in_leaf=10, tasks=("skip",)),
)
MEASURED = EvaluationConfig(replicates=100, segments=(), list_lengths=(3,))


@pytest.fixture(scope="module")
def fit(days, tmp_path_factory):
    """Return a function that fits baselines on some features, and on the table made of them."""

    def run(features, config=CONFIG, bundles=(), **table):
        root = tmp_path_factory.mktemp("baselines")
        build_table(features, TableConfig(**table), days, root / "table")
        return fit_baselines(features, root / "table", days, config, root / "out", bundles)

    return run


@pytest.fixture(scope="module")
def fitted(features, fit):
    return fit(features)


def test_every_baseline_writes_a_table_that_can_be_evaluated_and_they_rank_as_they_should(fitted):
    found = {
        name: evaluate(
            path,
            MEASURED,
            path.parent,
            duration_edges_s=fit_duration_edges(fitted["constant"].parents[2] / "table", 10),
        )
        for name, path in fitted.items()
    }
    assert list(found) == ["constant", "duration_table", "item_user_effects", "lightgbm"]
    xauc = {name: evaluation.metrics["xauc"].value for name, evaluation in found.items()}
    assert xauc["constant"] == 0.5
    assert xauc["constant"] < xauc["duration_table"] < xauc["item_user_effects"]
    assert xauc["lightgbm"] > 0.75
    assert found["lightgbm"].metrics["auc_skip"].value > 0.7
    assert found["lightgbm"].metrics["mae"].value < found["constant"].metrics["mae"].value
    assert all(evaluation.name == name for name, evaluation in found.items())


def test_baselines_are_comparable_row_by_row(fitted):
    found = compare([fitted["lightgbm"]], [fitted["duration_table"]], MEASURED).metrics
    assert found["xauc"].low > 0
    assert found["xauc_new_user"].rows > 0


def test_seconds_are_calibrated_on_the_validation_day(fitted):
    for name in ("duration_table", "item_user_effects", "lightgbm"):
        table = pl.read_parquet(fitted[name])
        off = table["watch_mean_s0"].mean() / table["y_s"].mean() - 1
        assert abs(off) < 0.15, name
        assert (table["watch_mean_s0"] <= table["duration_ms"] / 1000).all()
        about = json.loads((fitted[name].parent / "baseline.json").read_text())
        assert about["calibration_refused"] is None


def test_equal_inputs_give_equal_bytes(features, fit, fitted):
    again = fit(features)
    first, second = (result["constant"].parent.parent for result in (fitted, again))
    for name in CONFIG.enabled:
        assert (first / name / "judge.parquet").read_bytes() == (second / name / "judge.parquet").read_bytes(), name
        assert hash_tree(second / name), name


def test_nothing_of_the_judge_day_reaches_the_fit(altered_features, days, fit, fitted):
    def spoil(day, frame):
        if day not in days.judge:
            return frame
        return frame.with_columns(
            watch_ms=pl.lit(1, dtype=pl.Int64), skip=1 - pl.col("skip"), like=pl.lit(1, dtype=pl.Int8)
        )

    again = fit(altered_features(spoil))
    for name in CONFIG.enabled:
        before, after = pl.read_parquet(fitted[name]), pl.read_parquet(again[name])
        predictions = [column for column in before.columns if column.endswith("_s0")]
        assert before.select(predictions).equals(after.select(predictions)), name
        assert not before["y_s"].equals(after["y_s"])


def test_rows_that_arrive_after_the_night_began_do_not_change_the_fit(altered_features, days, fit, fitted):
    def add_late(day, frame):
        late = frame.with_columns(
            known_at_ms=pl.col("known_at_ms") + 10 * 86_400_000, watch_ms=pl.lit(1, dtype=pl.Int64)
        )
        return frame if day in days.judge else pl.concat([frame, late])

    again = fit(altered_features(add_late))
    for name in CONFIG.enabled:
        assert pl.read_parquet(fitted[name]).equals(pl.read_parquet(again[name])), name


def test_the_label_counts_replays_where_the_recipes_do(features, fit, fitted):
    with_replays = fit(features, truncate_watch=False)
    for name in CONFIG.enabled:
        once, all_plays = pl.read_parquet(fitted[name]), pl.read_parquet(with_replays[name])
        np.testing.assert_allclose(all_plays["y_s"], all_plays["watch_ms"] / 1000)
        assert (all_plays["y_s"] > once["y_s"]).any()
        assert all_plays["watch_mean_s0"].mean() > once["watch_mean_s0"].mean(), name


def test_only_configured_baselines_are_fitted(features, fit):
    result = fit(features, CONFIG.model_copy(update={"enabled": ("constant",)}))
    assert [path.name for path in result["constant"].parents[1].iterdir()] == ["constant"]


def test_the_trees_say_what_they_learned_and_from_which_columns(fitted):
    about = json.loads((fitted["lightgbm"].parent / "baseline.json").read_text())
    assert set(about["chosen_by"]) == set(CONFIG.lightgbm.candidates)
    assert about["target"] == max(about["chosen_by"], key=about["chosen_by"].get)
    assert about["most_important"][0] == "user_rate"
    assert len(about["trees"]["score"]) == CONFIG.lightgbm.fits
    assert not (fitted["lightgbm"].parent / "bundle").exists()


@pytest.fixture(scope="module")
def named(fitted, tmp_path_factory):
    """Return a function that fits the baselines' recipe of trees as a night that names it does."""

    def run(seeds=(0, 1), recipe=CONFIG.lightgbm, calibration=CONFIG.calibration):
        bundle = tmp_path_factory.mktemp("named") / "trees"
        training = TrainingConfig(seeds=seeds, calibration=calibration, threads=1)
        train_trees(fitted["constant"].parents[2] / "table", "trees", recipe, training, bundle)
        return bundle

    return run


ONLY_TREES = CONFIG.model_copy(update={"enabled": ("lightgbm",)})


def written(result):
    return [(result["lightgbm"].parent / name).read_bytes() for name in ("judge.parquet", "baseline.json")]


def test_trees_that_the_night_fitted_are_not_fitted_again_and_the_bytes_are_those_of_a_fit(
    features, fit, fitted, named
):
    bundle = named()
    before = hash_tree(bundle)
    taken = written(fit(features, ONLY_TREES, (bundle,)))
    assert taken == written(fitted)
    assert hash_tree(bundle) == before
    for file in tree_files(seed_folder(bundle, 1)):  # were it fitted anew, what the bundle holds would not show
        shutil.copyfile(file, seed_folder(bundle, 0) / file.name)
    assert written(fit(features, ONLY_TREES, (bundle,))) != taken


@pytest.mark.parametrize(
    "change",
    [
        {"seeds": (1, 0)},
        {"recipe": CONFIG.lightgbm.model_copy(update={"num_leaves": 5})},
        {"calibration": CONFIG.calibration.model_copy(update={"groups": 1})},
    ],
    ids=["another seed chose the target", "other leaves", "other calibration"],
)
def test_trees_that_are_another_fit_are_no_baseline(features, fit, fitted, named, change):
    assert written(fit(features, ONLY_TREES, (named(**change),))) == written(fitted)


def test_trees_of_another_table_are_no_baseline(altered_features, days, fit, fitted, named):
    altered = altered_features(lambda day, frame: frame.head(1) if day == days.fit[0] else frame)
    own = written(fit(altered, ONLY_TREES, (named(),)))
    assert own == written(fit(altered, ONLY_TREES))
    assert own != written(fitted)
