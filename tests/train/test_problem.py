"""What the rows of a table give the heads and the encoders of a recipe."""

import shutil
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch

from models.heads.base import LONGEST, TrainLabels
from models.heads.rad import Rad, RadConfig
from models.recipe import Recipe
from tasks.core.errors import TrainingError
from tasks.core.files import read_json, write_json
from tasks.evaluate.table import PredictionTable
from tasks.predict import load_bundle, predict_days
from tasks.table.build import build_table
from tasks.table.columns import open_columns
from tasks.table.config import TableConfig
from tasks.table.source import FeatureDays, FeatureFolder
from tasks.table.training_table import TrainingTable
from tasks.train.problem import open_problem
from tasks.train.run import NamedRecipe, train
from tests.table.small_night import DAYS
from tests.train.settings import training

RAD = {"kind": "rad", "by": "both", "least_rows": 5}


def test_a_head_of_cohorts_reads_the_levels_of_the_fit_rows(table: Path) -> None:
    problem = open_problem(TrainingTable.open(table), Recipe.model_validate({"head": RAD}))
    columns, schema = open_columns(table / "fit"), problem.schema
    places = {name: place for place, (name, _) in enumerate(schema.fields)}
    levels = {
        name: columns["ids"][:, places[name]].astype(np.int64) - schema.offsets[places[name]]
        for name in ("user_id", "video_id")
    }
    labels = TrainLabels(columns["watch_s"].astype(np.float64), columns["duration_s"].astype(np.float64), levels)
    expected = Rad.fit_state(RadConfig.model_validate(RAD), labels)
    assert problem.head_state.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_array_equal(problem.head_state[name], value)
    assert (expected["video_cohort"] > 0).any()


def test_a_head_of_cohorts_needs_its_field(features: Path, tmp_path: Path) -> None:
    build_table(features, TableConfig(categorical=("user_id", "scene")), DAYS, tmp_path / "table")
    problem = open_problem(TrainingTable.open(tmp_path / "table"), Recipe.model_validate({"head": RAD}))
    with pytest.raises(TrainingError, match=r"a head reads the field 'video_id', which the table does not encode"):
        problem.ranker()


def test_a_dense_feature_can_be_set_apart(table: Path) -> None:
    names = read_json(table / "table.json")["schema"]["dense_names"]
    recipe = Recipe.model_validate({"head": {"kind": "wtg"}, "set_apart": ["duration_quantile", names[0]]})
    problem = open_problem(TrainingTable.open(table), recipe)
    ranker = problem.ranker()
    assert ranker.encoder.reads.dense == tuple(range(1, len(names)))
    assert len(ranker.encoder.reads.columns) == problem.schema.num_fields - 1
    with pytest.raises(TrainingError, match="sets apart 'duration_lag', which is no field of the table"):
        open_problem(TrainingTable.open(table), Recipe.model_validate({"set_apart": ["duration_lag"]}))


def test_the_curves_say_how_much_of_the_duration_the_towers_still_know(table: Path, tmp_path: Path) -> None:
    recipe = Recipe.model_validate({"head": {"kind": "wtg"}, "adversary": {}})
    train(
        table, NamedRecipe("dvr", recipe, training(seeds=(0,), max_epochs=2)), tmp_path / "bundle", tmp_path / "scratch"
    )
    explained = pl.read_csv(tmp_path / "bundle/curves.csv")["watch_time/duration_r2"]
    assert len(explained) == 2
    assert (explained <= 1).all()


@pytest.mark.slow
def test_what_counts_replays_predicts_beyond_the_duration(features: Path, tmp_path: Path) -> None:
    """Heads, calibrators and the table of predictions; with truncated labels none of them may."""
    for truncate in (True, False):
        table, out = tmp_path / f"table{truncate}", tmp_path / f"bundle{truncate}"
        build_table(features, TableConfig(truncate_watch=truncate), DAYS, table)
        problem = open_problem(TrainingTable.open(table), Recipe.model_validate({"head": {"kind": "tpm"}}))
        assert (LONGEST in problem.head_state) == (not truncate)
        train(table, NamedRecipe("tpm", problem.recipe, training(seeds=(0,))), out, tmp_path / "scratch")
        predict_days(out, FeatureDays(features, DAYS.judge), tmp_path / "judge.parquet", threads=1)
        found = pl.read_parquet(tmp_path / "judge.parquet")
        for column in ("score_s0", "watch_mean_s0"):
            assert (found[column] > found["duration_ms"] / 1000 + 1e-3).any() == (not truncate), column


def without_replays(features: Path, out: Path, replays: int) -> Path:
    """Copy the night's features with plays cut at the duration, but for some replays of the shortest video of a fit day."""
    shutil.copytree(features, out)
    source, left = FeatureFolder.open(out), replays
    for day in (*DAYS.fit, DAYS.validation, *DAYS.judge):
        frame = pl.read_parquet(source.rows(day)).with_columns(watch_ms=pl.min_horizontal("watch_ms", "duration_ms"))
        first = pl.int_range(pl.len()) == pl.col("duration_ms").arg_min()
        if left:
            frame = frame.with_columns(watch_ms=pl.when(first).then(pl.col("duration_ms") + 1).otherwise("watch_ms"))
            left -= 1
        frame.write_parquet(source.rows(day))
    return out


def test_one_replay_among_the_fit_days_moves_no_bound(features: Path, tmp_path: Path) -> None:
    """Without it too the label counts replays: decodes, calibrators and predictions go as far as the longest play."""
    bounds, ten_B = [], torch.tensor([10.0])
    for replays in (0, 1):
        night, table = without_replays(features, tmp_path / f"night{replays}", replays), tmp_path / f"table{replays}"
        build_table(night, TableConfig(truncate_watch=False), DAYS, table)
        problem = open_problem(TrainingTable.open(table), Recipe.model_validate({"head": {"kind": "tpm"}}))
        assert (problem.labels.watch_s > problem.labels.duration_s).sum() == replays
        assert not problem.labels.truncated
        head = problem.ranker().head
        assert not head.censored(ten_B, ten_B).any()
        bounds.append(head.longest(ten_B).item())
        assert bounds[-1] == np.float32(problem.labels.watch_s.max())
    assert bounds[0] == bounds[1] > 10
    out = tmp_path / "bundle"
    train(tmp_path / "table0", NamedRecipe("tpm", problem.recipe, training(seeds=(0,))), out, tmp_path / "scratch")
    bundle = load_bundle(out)
    assert not bundle.truncate_watch
    assert not bundle.calibrations[0].mean.curves.bounded
    predict_days(out, FeatureDays(tmp_path / "night0", DAYS.judge), tmp_path / "judge.parquet", threads=1)
    judged = PredictionTable.read("tpm", [tmp_path / "judge.parquet"])
    assert (judged.y <= judged.duration).all()
    assert (judged.watch_mean(0) > judged.duration).any()


def test_a_bundle_whose_bound_was_guessed_is_refused(features: Path, table: Path, tmp_path: Path) -> None:
    out = tmp_path / "bundle"
    train(
        table,
        NamedRecipe("tpm", Recipe.model_validate({"head": {"kind": "tpm"}}), training(seeds=(0,))),
        out,
        tmp_path / "scratch",
    )
    about = read_json(out / "preprocessor/preprocessor.json")
    write_json(out / "preprocessor/preprocessor.json", about | {"truncate_watch": False})
    with pytest.raises(TrainingError, match=r"truncate_watch False, and its heads .* train the recipe again"):
        load_bundle(out)
