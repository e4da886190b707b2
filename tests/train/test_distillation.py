"""Fits that read vectors of sparse users only afterwards: on the small night, where users below 24 rows count as sparse."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from models.encoders.pretrained import PretrainedFields
from models.recipe import Recipe
from tasks.core.errors import TrainingError
from tasks.predict import predict_days
from tasks.table.build import build_table
from tasks.table.config import TableConfig
from tasks.table.source import FeatureDays
from tasks.table.training_table import TrainingTable
from tasks.train.fit import SeedFit, fit_seed
from tasks.train.pretraining import pretrain
from tasks.train.problem import open_problem
from tasks.train.run import NamedRecipe, train
from tests.table.small_night import DAYS
from tests.train.settings import training

pytestmark = pytest.mark.slow

RICH = 24
DISTILLED = {
    "kind": "distilled",
    "rich": RICH,
    "sparse": RICH - 1,
    "epochs": 2,
    "watched": "valid_play",
    "teacher": {"kind": "directau", "epochs": 2},
}


def recipe(**changes: Any) -> Recipe:
    return Recipe.model_validate(
        {
            "encoder": {"kind": "packed", "embedding_dim": 4},
            "backbone": {"kind": "deepfm"},
            "head": {"kind": "vr_mse"},
            "pretraining": DISTILLED | changes,
        }
    )


@pytest.fixture(scope="module")
def whole(features: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the small night's table with a row of every user's own."""
    config = TableConfig(categorical=("user_id", "video_id"), dense=("duration_log",), min_count=1)
    build_table(features, config, DAYS, out := tmp_path_factory.mktemp("table") / "table")
    return out


def fit_rows(table: TrainingTable) -> tuple[Tensor, Tensor]:
    """Return a packed row of every fit day's row, of its user and its video, and how many rows the user has."""
    ids, user = np.asarray(table.column("fit", "ids")).astype(np.int64), np.asarray(table.column("fit", "user_id"))
    _, place, times = np.unique(user, return_inverse=True, return_counts=True)
    return torch.from_numpy(ids), torch.from_numpy(times[place])


def test_no_row_of_the_fit_reads_a_vector_of_a_user_who_is_not_rich(whole: Path) -> None:
    problem = open_problem(table := TrainingTable.open(whole), recipe())
    torch.manual_seed(0)
    assert problem.watched is not None
    pretrain(ranker := problem.ranker(), problem.watched, 0)
    (fields,) = (module for module in ranker.modules() if isinstance(module, PretrainedFields))
    ids_BF, rows_B = fit_rows(table)
    fitted_B2, read_B2 = (fields.train(mode)(ids_BF).square().sum(dim=2) > 0 for mode in (True, False))
    is_rich_B = rows_B >= RICH
    assert 0.2 < float(is_rich_B.float().mean()) < 0.9
    assert torch.equal(fitted_B2[:, 0], is_rich_B) and read_B2[:, 0].all(), "whoever has a row has a vector"
    assert torch.equal(fitted_B2[:, 1], read_B2[:, 1]) and fitted_B2[:, 1].any()


def test_hidden_vectors_move_no_weight_and_are_read_by_validation(whole: Path, tmp_path: Path) -> None:
    """Fits that differ in sparse users' vectors alone take the same steps, and see the validation day differently."""
    config, found = training(max_epochs=1), []
    for by in ("distance", "mean"):
        problem = open_problem(TrainingTable.open(whole), recipe(by=by))
        found.append(fit_seed(problem, 0, config, tmp_path / by))
    first, second = found
    changed = {name for name, value in first.weights.items() if not torch.equal(value, second.weights[name])}
    assert changed == {"encoder.pretrained.vector_RD"}
    assert first.curves[0]["train_watch_time"] == second.curves[0]["train_watch_time"]
    assert first.curves[0]["validation_watch_time"] != second.curves[0]["validation_watch_time"]


def test_a_fit_that_was_stopped_goes_on_and_its_bundle_reads_the_vectors(
    whole: Path, features: Path, tmp_path: Path
) -> None:
    config, problem = training(max_epochs=2), open_problem(TrainingTable.open(whole), recipe())
    finished = fit_seed(problem, 0, config, tmp_path / "finished")
    begun = SeedFit(problem, 0, config, tmp_path / "begun")
    begun.epoch()
    resumed = fit_seed(problem, 0, config, tmp_path / "begun")
    assert all(torch.equal(resumed.weights[name], value) for name, value in finished.weights.items())
    train(whole, NamedRecipe("distilled", recipe(), config), tmp_path / "bundle", tmp_path / "scratch")
    predict_days(tmp_path / "bundle", FeatureDays(features, DAYS.judge), tmp_path / "judge.parquet")


def test_days_without_rich_users_are_refused_in_words(whole: Path, tmp_path: Path) -> None:
    problem = open_problem(TrainingTable.open(whole), recipe(rich=900))
    with pytest.raises(TrainingError, match="pretraining: no user with 900 rows of the fit days watched anything"):
        SeedFit(problem, 0, training(), tmp_path).epoch()
