import json

import numpy as np
import polars as pl
import pytest

from tasks.baselines.config import BaselineConfig, LightGBMConfig
from tasks.baselines.stage import fit_baselines
from tasks.core.files import hash_tree
from tasks.evaluate.compare import compare
from tasks.evaluate.config import EvaluationConfig
from tasks.evaluate.stage import evaluate
from tasks.train.config import CalibrationConfig

CONFIG = BaselineConfig(
    duration_groups=20,
    num_threads=1,
    shrinkage=5,
    calibration=CalibrationConfig(groups=2, min_group_rows=100, min_rows=200, max_tre=0.5),
    lightgbm=LightGBMConfig(num_leaves=7, max_rounds=30, patience=10, min_data_in_leaf=10, tasks=("skip",)),
)
MEASURED = EvaluationConfig(replicates=100, segments=(), list_lengths=(3,))


@pytest.fixture(scope="module")
def fitted(features, days, tmp_path_factory):
    return fit_baselines(features, days, CONFIG, tmp_path_factory.mktemp("baselines") / "out")


def test_every_baseline_writes_a_table_that_can_be_evaluated_and_they_rank_as_they_should(fitted):
    found = {
        name: evaluate(path, MEASURED, path.parent, duration_edges_s=fitted.duration_edges_s)
        for name, path in fitted.tables.items()
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
    found = compare([fitted.tables["lightgbm"]], [fitted.tables["duration_table"]], MEASURED).metrics
    assert found["xauc"].low > 0
    assert found["xauc_new_user"].rows > 0


def test_seconds_are_calibrated_on_the_validation_day(fitted):
    for name in ("duration_table", "item_user_effects", "lightgbm"):
        table = pl.read_parquet(fitted.tables[name])
        off = table["watch_mean_s0"].mean() / table["y_s"].mean() - 1
        assert abs(off) < 0.15, name
        assert (table["watch_mean_s0"] <= table["duration_ms"] / 1000).all()
        about = json.loads((fitted.tables[name].parent / "baseline.json").read_text())
        assert about["calibration_refused"] is None


def test_equal_inputs_give_equal_bytes(features, days, fitted, tmp_path):
    again = fit_baselines(features, days, CONFIG, tmp_path / "again")
    first, second = (result.tables["constant"].parent.parent for result in (fitted, again))
    for name in CONFIG.enabled:
        assert (first / name / "judge.parquet").read_bytes() == (second / name / "judge.parquet").read_bytes(), name
        assert hash_tree(second / name), name


def test_nothing_of_the_judge_day_reaches_the_fit(altered_features, days, fitted, tmp_path):
    def spoil(day, frame):
        if day not in days.judge:
            return frame
        return frame.with_columns(
            watch_ms=pl.lit(1, dtype=pl.Int64), skip=1 - pl.col("skip"), like=pl.lit(1, dtype=pl.Int8)
        )

    again = fit_baselines(altered_features(spoil), days, CONFIG, tmp_path / "again")
    for name in CONFIG.enabled:
        before, after = pl.read_parquet(fitted.tables[name]), pl.read_parquet(again.tables[name])
        predictions = [column for column in before.columns if column.endswith("_s0")]
        assert before.select(predictions).equals(after.select(predictions)), name
        assert not before["y_s"].equals(after["y_s"])


def test_rows_that_arrive_after_the_night_began_do_not_change_the_fit(altered_features, days, fitted, tmp_path):
    def add_late(day, frame):
        late = frame.with_columns(
            known_at_ms=pl.col("known_at_ms") + 10 * 86_400_000, watch_ms=pl.lit(1, dtype=pl.Int64)
        )
        return frame if day in days.judge else pl.concat([frame, late])

    again = fit_baselines(altered_features(add_late), days, CONFIG, tmp_path / "again")
    for name in CONFIG.enabled:
        assert pl.read_parquet(fitted.tables[name]).equals(pl.read_parquet(again.tables[name])), name


def test_the_label_counts_replays_where_the_recipes_do(features, days, fitted, tmp_path):
    with_replays = fit_baselines(features, days, CONFIG, tmp_path / "replays", truncate_watch=False)
    for name in CONFIG.enabled:
        once, all_plays = pl.read_parquet(fitted.tables[name]), pl.read_parquet(with_replays.tables[name])
        np.testing.assert_allclose(all_plays["y_s"], all_plays["watch_ms"] / 1000)
        assert (all_plays["y_s"] > once["y_s"]).any()
        assert all_plays["watch_mean_s0"].mean() > once["watch_mean_s0"].mean(), name


def test_only_configured_baselines_are_fitted(features, days, tmp_path):
    (tmp_path / "out/old").mkdir(parents=True)
    result = fit_baselines(features, days, CONFIG.model_copy(update={"enabled": ("constant",)}), tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["constant"]
    assert len(result.duration_edges_s) == 1
    assert np.isfinite(result.duration_edges_s).all()
