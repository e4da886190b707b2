"""The semi-synthetic world: real outcomes, exposure by a rule whose probabilities are right."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from benchmarks.debias.exposed_log import EXPOSED, Exposure, Regime, World, expose, read_world

MAR, MNAR = Regime("MAR"), Regime("MNAR", rho=0.6)
TASTE, NO_EXCLUSION = Regime("taste", taste=2.0), Regime("no exclusion", position=0.0, rho=0.6)


@pytest.fixture(scope="module")
def world(shared_data: Callable[[str], Path]) -> World:
    return read_world(shared_data("KuaiRand-Pure"))


def binned(exposure: Exposure) -> np.ndarray:
    """Return observed minus expected exposures by decile of the propensity, in standard errors."""
    p, o = exposure.propensity, exposure.observed
    part = np.digitize(p, np.quantile(p, np.arange(0.1, 1, 0.1)))
    error = np.array([(o[part == i] - p[part == i]).sum() for i in range(10)])
    variance = np.array([(p[part == i] * (1 - p[part == i])).sum() for i in range(10)])
    return error / np.sqrt(variance)


def test_rows_are_those_of_the_log(world: World) -> None:
    """167,281 distinct rows, less those of videos without a duration."""
    assert len(world) == 164_635
    assert world.day.max() == 9
    assert abs(np.corrcoef(world.residual, world.log_popularity)[0, 1]) < 0.01
    assert (world.watch_s <= world.duration_s).all()
    assert {name: int(keep.sum()) for name, keep in world.part.items()} == {
        "fit": 129_210,
        "validation": 18_360,
        "test": 17_065,
    }


@pytest.mark.parametrize("regime", [MAR, MNAR, TASTE, NO_EXCLUSION], ids=lambda regime: regime.name)
def test_propensities_are_right_whatever_rho(world: World, regime: Regime) -> None:
    exposure = expose(world, regime, seed=0)
    assert exposure.observed.mean() == pytest.approx(EXPOSED, abs=0.005)
    assert exposure.propensity.mean() == pytest.approx(EXPOSED, abs=1e-6)
    assert np.abs(binned(exposure)).max() < 4


def test_only_under_rho_does_the_outcome_matter(world: World) -> None:
    """Given the propensity, exposed and hidden rows differ in their residuals under MNAR alone."""
    gaps = {}
    for regime in (MAR, MNAR):
        exposure = expose(world, regime, seed=1)
        left = exposure.observed - exposure.propensity
        gaps[regime.name] = np.corrcoef(left, world.residual)[0, 1]
    assert abs(gaps["MAR"]) < 0.01
    assert gaps["MNAR"] > 0.3


def test_inverse_weights_restore_the_mean_under_mar_and_not_under_mnar(world: World) -> None:
    outcome = np.log1p(world.watch_s)
    for regime, restored in ((MAR, True), (MNAR, False)):
        exposure = expose(world, regime, seed=2)
        weight = exposure.observed / exposure.propensity
        error = (weight * outcome).sum() / weight.sum() - outcome.mean()
        plain = outcome[exposure.observed].mean() - outcome.mean()
        assert plain > 0.05
        assert (abs(error) < 0.03) == restored


def test_taste_moves_exposure_through_what_ids_tell(world: World) -> None:
    """Exposed rows are those of liked videos; given the propensity what ids leave unexplained plays no part."""
    exposure = expose(world, TASTE, seed=0)
    assert world.taste[exposure.observed].mean() > 0.8
    assert abs(np.corrcoef(exposure.observed - exposure.propensity, world.residual)[0, 1]) < 0.01
    assert np.quantile(exposure.propensity, 0.2) < 0.01 < np.quantile(expose(world, MAR, 0).propensity, 0.2)


def test_without_exclusion_the_slot_moves_nothing(world: World) -> None:
    exposure = expose(world, NO_EXCLUSION, seed=0)
    assert abs(np.corrcoef(exposure.observed, exposure.slot)[0, 1]) < 0.01
    assert np.corrcoef(expose(world, MAR, seed=0).observed, exposure.slot)[0, 1] > 0.2
