"""Synthetic recovery (docs/methods/debias.md#synthetic-recovery) at full size, a few cells and one seed each."""

from functools import cache

import pytest
import torch

from benchmarks.debias import synthetic, synthetic_fits
from benchmarks.debias.likelihood_cost import ghk_estimate, monte_carlo_estimate, relative_sd
from benchmarks.debias.synthetic_data import (
    World,
    confounded_noise,
    factor_world,
    linear_world,
    logistic_noise,
    student_noise,
)
from benchmarks.debias.synthetic_fits import errors, factor_model, ips_index, joint, outcome_of
from models.latent.identification import SelectionFit


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> None:
    """The machine is shared."""
    torch.set_num_threads(1)


@cache
def fitted(seed: int, rho: float, apart: bool, continuous: bool, spread: float = 1.0) -> tuple[World, SelectionFit]:
    world = linear_world(seed, rho, apart=apart, continuous=continuous, spread=spread)
    return world, joint(world)


def test_the_generator_is_the_specified_one() -> None:
    world = linear_world(0, 0.5, apart=True, continuous=True)
    assert len(world.rows) == 62_500
    assert world.a_N.var().item() == pytest.approx(1 + 0.7**2, rel=0.03)
    assert world.b_N.var().item() == pytest.approx(1, rel=0.03)
    assert 0.19 < world.rows.observed_N.double().mean() < 0.27
    again = linear_world(0, 0.5, apart=True, continuous=True)
    assert torch.equal(world.seen_N, again.seen_N)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("apart", "continuous", "rho", "off", "mse"),
    [
        (True, False, 0.8, 0.05, 0.002),
        (True, True, 0.5, 0.05, 0.005),
        (False, False, 0.8, 0.20, 0.008),
        (False, True, 0.5, 0.20, 0.02),
    ],
)
def test_the_joint_likelihood_recovers_within_its_band(
    apart: bool, continuous: bool, rho: float, off: float, mse: float
) -> None:
    world, fit = fitted(1, rho, apart, continuous)
    assert abs(fit.report.rho - rho) <= off
    assert errors(world, outcome_of(fit.free))[0] <= mse


@pytest.mark.slow
def test_true_propensities_do_not_help_and_the_joint_likelihood_does() -> None:
    """The demonstration that matters: a log with correlated noise cannot be weighted right."""
    world, fit = fitted(1, 0.8, True, False)
    naive, bias = errors(world, outcome_of(fit.independent))
    ips = errors(world, ips_index(world))[0]
    assert ips > naive > 0.06
    assert bias == pytest.approx(0.249, abs=0.04)
    assert ips >= 20 * errors(world, outcome_of(fit.free))[0]


@pytest.mark.slow
def test_without_correlation_nothing_is_lost_where_it_is_identified() -> None:
    world, fit = fitted(1, 0.0, True, True)
    assert abs(fit.report.rho) <= 0.05
    assert errors(world, outcome_of(fit.free))[0] <= 0.005
    assert fit.report.p_value > 0.001


@pytest.mark.slow
def test_weak_identification_warns_without_z_and_not_with_it() -> None:
    _, without = fitted(1, 0.5, False, False, 0.5)
    _, with_z = fitted(1, 0.5, True, False, 0.5)
    assert without.report.warning is not None
    assert without.kept is without.independent
    assert with_z.report.warning is None
    assert with_z.report.standard_error < 0.05 < without.report.standard_error
    assert with_z.kept is with_z.free


@pytest.mark.slow
def test_embeddings_gain_from_the_joint_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(synthetic_fits, "FACTOR_STEPS", 60)
    world = factor_world(0, 0.8, apart=True, random_share=0.02)
    naive, free = (errors(world, outcome_of(factor_model(world, rho)))[0] for rho in (0.0, None))
    assert free <= naive - 0.01
    assert world.rows.random.double().mean().item() == pytest.approx(0.02, abs=0.003)


@pytest.mark.parametrize("continuous", [False, True])
def test_case_a_weighting_helps_where_exposure_depends_on_features_only(continuous: bool) -> None:
    found = synthetic._mar_cell(1, continuous, 20_000)
    assert found["ips"] < 0.8 * found["naive"]
    assert found["dr"] < 0.8 * found["naive"]


def test_case_c_noise_has_unit_variance_and_the_dependence_of_the_normal() -> None:
    normal = torch.randn(2, 200_000, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    normal[1] = 0.5 * normal[0] + 0.75**0.5 * normal[1]
    confounded = confounded_noise(0.5, torch.Generator().manual_seed(0))
    for noise in (student_noise, logistic_noise, confounded):
        found = noise(normal)
        assert found.var(dim=1).tolist() == pytest.approx([1, 1], rel=0.06)
        if noise is not confounded:
            assert torch.equal(found[0].argsort(), normal[0].argsort())
    assert student_noise(normal).abs().max() > 1.5 * normal.abs().max()


@pytest.mark.slow
def test_case_e_mean_seconds_are_recovered() -> None:
    found = synthetic._watch_cell(1, 62_500)
    assert abs(found["rho"] - 0.5) <= 0.1
    assert max(value for name, value in found.items() if name.startswith("joint")) <= 0.05
    assert found["naive all"] > 0.3


def test_the_crude_estimator_is_forty_times_less_precise() -> None:
    """47 % and about 1 % in docs/methods/debias.md#ghk-sampler, at the exposure rate of Coat."""
    crude, ghk = relative_sd(monte_carlo_estimate(50), 50), relative_sd(ghk_estimate(50), 50)
    assert crude == pytest.approx(0.47, abs=0.06)
    assert ghk < crude / 40


@pytest.mark.slow
def test_tables_are_filled_for_every_world() -> None:
    table = synthetic.linear_table(True, [0, 1], 2000)
    assert [row[0] for row in table.rows][:2] == ["no z, rho 0.0", "no z, rho 0.2"]
    assert len(table.rows) == 8
    assert all(len(row) == len(table.columns) for row in table.rows)
    assert set(table.numbers) == {f"continuous, z {z}, rho {rho}" for z in (False, True) for rho in synthetic.RHOS}
    assert len(table.numbers["continuous, z True, rho 0.5"]["joint mse"]) == 2
