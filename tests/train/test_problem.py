"""What the rows of a table give the heads and the encoders of a recipe."""

from pathlib import Path

import numpy as np
import pytest

from models.heads.base import TrainLabels
from models.heads.rad import Rad, RadConfig
from models.recipe import Recipe
from tasks.errors import TrainingError
from tasks.files import read_json
from tasks.table.build import build_table
from tasks.table.columns import open_columns
from tasks.table.config import TableConfig
from tasks.train.problem import open_problem
from tests.table.small_night import DAYS

RAD = {"kind": "rad", "by": "both", "least_rows": 5}


def test_a_head_of_cohorts_reads_the_levels_of_the_fit_rows(table: Path) -> None:
    problem = open_problem(table, Recipe.model_validate({"head": RAD}))
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
    problem = open_problem(tmp_path / "table", Recipe.model_validate({"head": RAD}))
    with pytest.raises(TrainingError, match=r"a head reads the field 'video_id', which the table does not encode"):
        problem.ranker()


def test_a_dense_feature_can_be_set_apart(table: Path) -> None:
    names = read_json(table / "table.json")["schema"]["dense_names"]
    recipe = Recipe.model_validate({"head": {"kind": "wtg"}, "set_apart": ["duration_quantile", names[0]]})
    problem = open_problem(table, recipe)
    ranker = problem.ranker()
    assert ranker.encoder.reads.dense == tuple(range(1, len(names)))
    assert len(ranker.encoder.reads.columns) == problem.schema.num_fields - 1
    with pytest.raises(TrainingError, match="sets apart 'duration_lag', which is no field of the table"):
        open_problem(table, Recipe.model_validate({"set_apart": ["duration_lag"]}))
