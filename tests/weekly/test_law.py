"""Laws of losses: planted ones come back, intervals cover what is saved, and where nothing can be said nothing is."""

import numpy as np
import pytest

from tasks.weekly.law import FittedLaw, Laws, Runs, falls, why_no_forecast

SIZES = (1.0, 2.0, 3.0, 4.0, 6.0)


def planted(size: np.ndarray | float, exponent: float = 0.5) -> np.ndarray:
    return 0.45 + 0.02 * np.asarray(size) ** -exponent


def ladder(seed: int, noise: float = 0.0005, exponent: float = 0.5) -> Runs:
    size_R = np.repeat(SIZES, 3)
    random = np.random.default_rng(seed)
    return Runs(size_R, planted(size_R, exponent) * (1 + noise * random.standard_normal(len(size_R))))


@pytest.mark.parametrize("exponent", [0.1, 0.5, 0.93, 2.0])
def test_a_law_without_noise_comes_back(exponent: float) -> None:
    runs = ladder(0, noise=0.0, exponent=exponent)
    law = Laws.fit(runs.size_R, runs.loss_R[None])
    assert law.exponent_B[0] == pytest.approx(exponent, rel=0.002)
    saved = law.at(6.0)[0] - law.at(12.0)[0]
    assert saved == pytest.approx(float(planted(6.0, exponent) - planted(12.0, exponent)), rel=0.005)


def test_a_law_is_never_negative_nor_rising() -> None:
    size_R = np.array([1.0, 2.0, 4.0, 8.0])
    laws = Laws.fit(size_R, np.stack([size_R**0.3, size_R**-3.5 + 1e-9]))
    assert (laws.floor_B >= 0).all() and (laws.scale_B >= 0).all()
    assert laws.at(1.0)[0] == pytest.approx(laws.at(8.0)[0]), "a loss that rises has no scale"


@pytest.mark.slow
def test_intervals_cover_what_doubling_saves() -> None:
    worlds, truth = range(40), float(planted(6.0) - planted(12.0))
    found = [FittedLaw.fit(ladder(world), 150, 0, 0.8).saved(12.0) for world in worlds]
    covered = sum(one.low <= truth <= one.high for one in found)
    assert 0.65 * len(worlds) <= covered <= 0.95 * len(worlds)
    assert np.median([one.value for one in found]) == pytest.approx(truth, rel=0.1)


def test_shuffled_losses_forecast_nothing() -> None:
    runs = ladder(1)
    assert why_no_forecast(FittedLaw.fit(runs, 150, 0, 0.95), 150, 0) is None
    shuffled = [Runs(runs.size_R, np.random.default_rng(seed).permutation(runs.loss_R)) for seed in range(30)]
    assert sum(falls(one, 0) > 0.05 for one in shuffled) >= 26
    one = next(one for one in shuffled if falls(one, 0) > 0.05)
    assert "does not fall with the size" in str(why_no_forecast(FittedLaw.fit(one, 150, 0, 0.95), 150, 0))


def test_a_largest_size_that_the_others_do_not_foretell_forecasts_nothing() -> None:
    runs = ladder(1)
    broken = np.where(runs.size_R == 6, runs.loss_R * 0.9, runs.loss_R)
    doubt = why_no_forecast(FittedLaw.fit(Runs(runs.size_R, broken), 150, 0, 0.95), 150, 0)
    assert doubt is not None and "a law of the smaller sizes forecasts" in doubt and "for 6" in doubt


def test_three_sizes_are_no_law() -> None:
    runs = ladder(1)
    few = runs.where(runs.size_R < 4)
    assert why_no_forecast(FittedLaw.fit(few, 150, 0, 0.95), 150, 0) == "3 sizes were fitted, and a law needs 4"


def test_the_same_runs_give_the_same_interval() -> None:
    one, again = (FittedLaw.fit(ladder(3), 150, 5, 0.9).saved(12.0) for _ in range(2))
    assert one == again and one.low < one.value < one.high
