"""The soft selection: its step by hand, the cut by brute force, a planted field of noise, and the day that taught it."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks.efficiency.night import NOISE, plant
from models.encoders.grouped import FieldWidths
from models.encoders.packed import PackedConfig
from models.recipe import Recipe
from models.schema import InputSchema
from tasks.table.build import build_table
from tasks.table.config import TableConfig
from tasks.table.training_table import TrainingTable
from tasks.train.config import TrainingConfig
from tasks.train.device import Device
from tasks.train.fit import SeedFit
from tasks.train.population import open_population
from tasks.train.problem import FitProblem, open_problem
from tasks.train.row_use import reads_per_day
from tasks.train.validate import validate
from tasks.weekly.config import WidthsReview
from tasks.weekly.soft_selection import (
    class_rows,
    cut,
    grouped_recipe,
    moved,
    narrowed,
    select,
    take_turns,
    whole_groups,
)
from tests.table.small_night import DAYS, write_features
from tests.tune.conftest import RECIPE, TRAINING

CONFIG = WidthsReview(least_rows=50, epochs=6, rate=0.05)


def test_a_step_has_the_same_mean_size_in_every_class_that_is_read() -> None:
    alpha = torch.tensor([[1.0, 1.0], [0.5, 0.5], [0.5, 0.0], [0.7, 0.7]])
    gradient = torch.tensor([[3.0, 3.0], [1e-4, -3e-4], [100.0, 300.0], [0.0, 0.0]])
    found = moved(alpha, gradient, rate=0.1, l1=0.0)
    expected = torch.tensor([[1.0, 1.0], [0.45, 0.65], [0.45, 0.0], [0.7, 0.7]])
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=0)
    pulled = moved(alpha, gradient, rate=0.1, l1=1.0)
    torch.testing.assert_close(pulled[1], torch.tensor([0.4, 0.4]), atol=1e-3, rtol=0)


@pytest.mark.parametrize("keep", [0.05, 0.3, 0.5, 0.9])
def test_the_cut_keeps_the_best_numbers_that_fit(keep: float) -> None:
    random = np.random.default_rng(5)
    score_CD, rows_C = random.random((6, 4)), random.integers(1, 50, 6)
    kept_CD, tau = cut(score_CD, rows_C, keep)
    stored, expected, below = 0, np.ones((6, 4), dtype=bool), False
    for _, row, number in sorted(((score_CD[c, d], c, d) for c in range(1, 6) for d in range(4)), reverse=True):
        below |= stored + rows_C[row] > keep * rows_C[1:].sum() * 4
        stored += 0 if below else rows_C[row]
        expected[row, number] = not below
    assert np.array_equal(kept_CD, expected) and stored <= keep * rows_C[1:].sum() * 4
    assert np.array_equal(kept_CD[1:], score_CD[1:] > tau)


def test_groups_are_cut_by_reads_and_named_in_packed_order() -> None:
    schema = InputSchema(fields=(("few", 3), ("user_id", 10), ("video_id", 20)))
    reads_N = np.concatenate([np.arange(3), np.arange(10), np.repeat([0.0, 2.0], 10)])
    whole = whole_groups(schema, reads_N, 2, WidthsReview(least_rows=5, shares=(0.5, 0.3, 0.2)))
    assert whole == {
        "user_id": FieldWidths(bounds=(5.0, 8.0), kept=((0, 1),) * 3),
        "video_id": FieldWidths(
            bounds=(2.0,), kept=((0, 1),) * 2
        ),  # ties stay together, and a group without rows is none
    }
    assert class_rows(schema, whole, reads_N).tolist() == [3, 5, 3, 2, 10, 10]
    kept_CD = np.zeros((6, 2), dtype=bool)
    kept_CD[3], kept_CD[4, 1] = True, True
    found = narrowed(whole, schema, kept_CD)
    assert found["user_id"].kept == ((), (), (0, 1)) and found["video_id"].kept == ((1,), ())


@pytest.fixture(scope="module")
def noisy(tmp_path_factory: pytest.TempPathFactory) -> TrainingTable:
    """Return the small night's table with a field of noise in it."""
    folder = tmp_path_factory.mktemp("noisy")
    table = TableConfig(categorical=("user_id", "video_id"), dense=())
    build_table(write_features(folder, rows_per_day=800), table, DAYS, folder / "table")
    plant(folder / "table", folder / "planted")
    return TrainingTable.open(folder / "planted")


def problem_of(table: TrainingTable) -> FitProblem:
    recipe = Recipe.model_validate(RECIPE)
    groups = whole_groups(table.schema, reads_per_day(table), 4, CONFIG)
    assert set(groups) == {"user_id", "video_id", NOISE[0]}
    return open_problem(table, grouped_recipe(recipe, groups))


def widths_of(recipe: Recipe) -> Mapping[str, FieldWidths]:
    assert isinstance(recipe.encoder, PackedConfig)
    return recipe.encoder.widths


def fit_settings() -> TrainingConfig:
    return TrainingConfig.model_validate(TRAINING | {"max_epochs": 6})


@pytest.mark.slow
def test_numbers_of_a_planted_noise_field_go_first_and_not_where_fit_rows_teach(
    noisy: TrainingTable, tmp_path: Path
) -> None:
    problem = problem_of(noisy)

    def factors(taught_by: FitProblem) -> dict[str, float]:
        found = select(taught_by, fit_settings(), CONFIG, tmp_path, 0)
        groups, first, mean = widths_of(taught_by.recipe), 1, dict[str, float]()
        for name, one in groups.items():
            mean[name] = float(found.alpha_CD[first : first + len(one.kept)].mean())
            first += len(one.kept)
        return mean

    held_out = factors(problem)
    assert held_out[NOISE[0]] < min(held_out["user_id"], held_out["video_id"]) - 0.1
    on_fit_rows = factors(replace(problem, validation=problem.fit))
    assert on_fit_rows[NOISE[0]] > held_out[NOISE[0]] + 0.1, "the twin whose factors learn on the rows of the weights"


@pytest.mark.slow
def test_the_day_that_teaches_factors_flatters_what_they_select(noisy: TrainingTable, tmp_path: Path) -> None:
    """Two days teach factors of the same weights, and both are measured on both: each does better, beside the other, on its own day.

    So neither may judge what it taught: the twin that judges on the day that taught sees a gain that is not there the day after.
    """
    problem = problem_of(noisy)
    quick = fit_settings().model_copy(update={"batch_size": 256, "learning_rate": 1e-2})
    still = quick.model_copy(update={"learning_rate": 1e-9})
    fit = SeedFit(problem, 0, quick, tmp_path)
    while not fit.stopping.exhausted:
        fit.epoch()
    judge = open_population(noisy, "judge", problem.recipe, with_history=False)
    days = {"validation": problem.validation, "judge": judge}
    loss = {}
    for teacher, rows in days.items():
        ranker = problem.master_ranker(fit.result().weights)
        take_turns(ranker, replace(problem, validation=rows), still, CONFIG, 0)
        for day, others in days.items():
            loss[teacher, day] = validate(ranker, others, still, Device.of(still)).losses["watch_time"]
    own = loss["validation", "validation"] + loss["judge", "judge"]
    other = loss["validation", "judge"] + loss["judge", "validation"]
    assert own < 0.99 * other
