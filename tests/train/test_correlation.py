"""What the validation day says about a correlation, held against worlds and profiles that are known."""

from pathlib import Path

import pytest
import torch

from models.latent.selection_model import SelectionModel, SelectionRows
from models.recipe import Recipe
from tasks.core.files import read_json
from tasks.train.correlation import Recalibrated, profile_interval, validated
from tasks.train.run import NamedRecipe, train
from tests.train.settings import CANDIDATE, training


def test_the_interval_of_a_parabola_is_that_of_its_standard_error() -> None:
    grid = [-0.9, -0.6, -0.3, 0.0, 0.3, 0.6, 0.9, 0.2]
    drops = {rho: -((rho - 0.2) ** 2) / (2 * 0.1**2) for rho in grid}
    low, high = profile_interval(drops, 0.2) or (0.0, 0.0)
    assert low == pytest.approx(0.2 - 0.196, abs=1e-4)
    assert high == pytest.approx(0.2 + 0.196, abs=1e-4)


def test_a_flat_profile_has_no_interval() -> None:
    assert profile_interval({-0.9: -0.1, 0.0: 0.0, 0.9: -8.0}, 0.0) is None


@pytest.mark.slow
@pytest.mark.parametrize("rho", [0.0, 0.6])
def test_a_known_correlation_is_found_behind_badly_scaled_indices(rho: float) -> None:
    g = torch.Generator().manual_seed(int(10 * rho) + 1)
    x_N, z_N, noise_N, other_N = torch.randn(4, 20_000, generator=g, dtype=torch.float64)
    a_N, b_N = 0.8 * x_N + z_N - 0.5, 0.5 - x_N
    observed_N = a_N + noise_N > 0
    label_N = (b_N + rho * noise_N + (1 - rho**2) ** 0.5 * other_N > 0).double()
    indices = Recalibrated(0.5 * a_N + 1, 2 * b_N - 1, num_apart=1)
    found = validated(SelectionModel(indices, 0.0), SelectionRows(observed_N, label_N, continuous=False), learned=0.0)
    assert found.rho == pytest.approx(rho, abs=3 * found.standard_error)
    assert found.standard_error < 0.1 and found.warning is None
    low, high = found.interval or (0.0, 0.0)
    assert low < found.rho < high
    assert high - low == pytest.approx(2 * 1.96 * found.standard_error, rel=0.25)
    assert (found.p_value < 0.001) == (rho > 0)


def test_unobserved_rows_that_stand_for_many_count_as_many() -> None:
    g = torch.Generator().manual_seed(0)
    a_N, b_N, label_N = torch.randn(3, 60, generator=g, dtype=torch.float64)
    observed_N = torch.arange(60) < 30
    sample = SelectionRows(observed_N, label_N, continuous=True, stands_for=2.0)
    twice = torch.cat([torch.arange(60), torch.arange(30, 60)])
    whole = SelectionRows(observed_N[twice], label_N[twice], continuous=True)
    one = SelectionModel(Recalibrated(a_N, b_N, 0), 0.4)(sample) * sample.population
    other = SelectionModel(Recalibrated(a_N[twice], b_N[twice], 0), 0.4)(whole) * whole.population
    torch.testing.assert_close(one, other)


@pytest.mark.slow
def test_the_train_stage_leaves_it_in_the_bundle(candidate_table: Path, tmp_path: Path) -> None:
    changed = {"objective": {"kind": "latent_exogenous"}, "head": {"kind": "tr_log"}}
    recipe = Recipe.model_validate(CANDIDATE.model_dump() | changed)
    train(
        candidate_table,
        NamedRecipe("latent", recipe, training(max_epochs=1, seeds=(0,))),
        tmp_path / "b",
        tmp_path / "s",
    )
    learned = read_json(tmp_path / "b/learned.json")
    assert set(learned["seeds"]["0"]) >= {"watch_time/rho", "watch_time/sigma"}
    for found in learned["validation"].values():
        assert found["rows"] > 0
        assert set(found["profile"]) == {"-0.9", "-0.6", "-0.3", "0", "0.3", "0.6", "0.9"}
        assert all(drop <= 0 for drop in found["profile"].values())
    assert "watch_time" in learned["validation"]
