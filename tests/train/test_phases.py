"""A fit that goes on from the naive one: which loss each phase has, how large its steps are, and where a killed fit resumes."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from models import phases
from models.recipe import Recipe
from tasks.table.training_table import TrainingTable
from tasks.train.fit import SeedFit, fit_seed
from tasks.train.problem import open_problem
from tasks.tune.space import Candidate
from tasks.tune.trial import CandidateFits
from tests.models.objectives.conftest import build_objective, model_rows_of
from tests.train.settings import CANDIDATE, training

RATE = 0.1
TUNED = Recipe.model_validate(CANDIDATE.model_dump() | {"objective": {"kind": "dr_jl", "fine_tune": RATE}})
CONFIG = training(max_epochs=2, patience=1)


def rows() -> Any:
    auxiliary = {"imputation": torch.tensor([0.5, -1.0, 2.0, 0.1])}
    return model_rows_of(
        torch.linspace(-1, 1, 4), torch.tensor([1.0, 0.0, 1.0, 0.0]), torch.tensor([1.0, 1.0, 1.0, 0.0]),
        torch.tensor([0.2, 0.5, 0.8, 0.4]), auxiliary=auxiliary,
    )  # fmt: skip


def test_the_first_phase_is_naive_with_the_imputation_beside_it_the_second_doubly_robust() -> None:
    objective, naive, robust = (
        build_objective(kind, **c) for kind, c in (("dr_jl", {"fine_tune": 0.1}), ("naive", {}), ("dr_jl", {}))
    )
    first = naive(rows()) + robust.imputation_loss(rows())
    torch.testing.assert_close(objective(rows()), first)
    assert phases.second_is_due(objective) and phases.learning_rate(objective) == 1
    phases.begin_second(objective)
    torch.testing.assert_close(objective(rows()), robust(rows()))
    assert robust(rows()) != first
    assert not phases.second_is_due(objective) and phases.learning_rate(objective) == 0.1


def test_a_recipe_without_phases_says_what_it_said() -> None:
    assert "fine_tune" not in CANDIDATE.model_dump()["objective"]
    assert not phases.second_is_due(build_objective("dr_jl"))
    assert Recipe.model_validate(TUNED.model_dump(mode="json")) == TUNED


@pytest.fixture(scope="module")
def fit(candidate_table: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], SeedFit]:
    """Return the maker of fits: name of the folder that their checkpoint lies in."""
    problem = open_problem(TrainingTable.open(candidate_table), TUNED)
    folder = tmp_path_factory.mktemp("phases")
    return lambda name: SeedFit(problem, 0, CONFIG, folder / name)


@pytest.mark.slow
def test_a_fit_killed_in_either_phase_ends_with_the_same_weights(fit: Callable[[str], SeedFit]) -> None:
    whole = fit("whole")
    expected = whole.finish().weights
    assert [row["epoch"] for row in whole.curves] == list(range(1, len(whole.curves) + 1))
    for epochs in (1, 3):
        killed = fit(f"killed{epochs}")
        while killed.stopping.epoch < epochs:
            if killed.stopping.exhausted:
                assert killed.begins_second_phase()
            killed.epoch()
        again = fit(f"killed{epochs}")
        again.resume()
        found = again.finish().weights
        assert again.curves == whole.curves
        assert all(torch.equal(found[name], value) for name, value in expected.items())


@pytest.mark.slow
def test_the_second_phase_begins_at_the_best_epoch_with_smaller_steps(fit: Callable[[str], SeedFit]) -> None:
    running = fit("steps")
    while not running.stopping.exhausted:
        running.epoch()
    best, rates = running.stopping.kept, []
    rates.append(running._take_step.optimizers._dense.param_groups[0]["lr"])
    assert best is not None and running.begins_second_phase()
    rates.append(running._take_step.optimizers._dense.param_groups[0]["lr"])
    assert rates == pytest.approx([CONFIG.learning_rate, RATE * CONFIG.learning_rate])
    found = running.ranker.state_dict()
    assert all(torch.equal(found[name], value) for name, value in best.items() if not name.endswith("reached"))
    assert running.finish().best_epoch > 2 and not running.begins_second_phase()


@pytest.mark.slow
def test_a_trial_of_a_search_has_the_second_phase_too(candidate_table: Path, tmp_path: Path) -> None:
    epochs: list[int] = []
    trial = CandidateFits.open(candidate_table, Candidate(TUNED, CONFIG), "xauc", tmp_path / "trial")
    found = trial.measure(0, lambda epoch, _: epochs.append(epoch)).fitted
    staged = fit_seed(open_problem(TrainingTable.open(candidate_table), TUNED), 0, CONFIG, tmp_path / "staged")
    assert epochs == [row["epoch"] for row in staged.curves] and len(epochs) > CONFIG.max_epochs
    assert all(torch.equal(found.weights[name], value) for name, value in staged.weights.items())
