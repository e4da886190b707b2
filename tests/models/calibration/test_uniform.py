"""Seconds under uniform exposure: known bias of the log, and what its random rows make of it."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from models.calibration.uniform import LEAST_ROWS, UniformSlice

USERS = 800
LOGGED, RANDOM = 20_000, 1_500


def world(bias_s: float, seed: int, share: float = 0.0, noise_s: float = 3.0) -> tuple[NDArray[Any], ...]:
    """Return (seconds by the log, watched, user, random, true seconds under uniform exposure) of a log that promises random
    rows `bias_s` seconds and a share of its own seconds too much, by users who differ."""
    rng = np.random.default_rng(seed)
    rows = LOGGED + RANDOM
    user = rng.integers(0, USERS, rows)
    random = np.arange(rows) >= LOGGED
    logged_s = rng.uniform(2, 20, rows)
    true_s = np.maximum((1 - share) * logged_s - bias_s, 0.0)
    mean_s = np.where(random, true_s, logged_s) + rng.normal(0, 0.5, USERS)[user]
    return logged_s, mean_s + rng.normal(0, noise_s, rows), user, random, true_s


def fitted(
    bias_s: float, seed: int, share: float = 0.0
) -> tuple[UniformSlice, NDArray[np.float64], NDArray[np.float64]]:
    logged_s, watch_s, user, random, true_s = world(bias_s, seed, share)
    return UniformSlice.fit(logged_s, watch_s, user, random), logged_s, true_s


def test_an_unbiased_log_is_trusted() -> None:
    found = [fitted(0.0, seed)[0] for seed in range(20)]
    assert np.mean([[cell.weight for cell in one.cells] for one in found]) < 0.2
    alone = np.mean([[cell.variance for cell in one.cells] for one in found]) ** 0.5
    off = [[float(one(np.array([cell.logged_s]))[0]) - cell.logged_s for cell in one.cells] for one in found]
    assert np.mean(np.square(off)) ** 0.5 < 0.45 * alone, "of what the random rows alone would be off by"


@pytest.mark.parametrize(("bias_s", "share"), [(2.0, 0.0), (0.0, 0.3)])
def test_a_biased_log_gives_way_to_its_random_rows(bias_s: float, share: float) -> None:
    for seed in range(5):
        uniform, logged_s, true_s = fitted(bias_s, seed, share)
        before, after = (np.sqrt(np.mean((s - true_s) ** 2)) for s in (logged_s, uniform(logged_s)))
        assert after < before / 5
        assert uniform(logged_s).sum() == pytest.approx(true_s.sum(), rel=0.02)


def test_cells_are_believed_where_one_factor_is_wrong_and_not_where_it_is_right() -> None:
    shifted, scaled = (
        np.mean([cell.weight for seed in range(10) for cell in fitted(bias_s, seed, share)[0].cells])
        for bias_s, share in ((3.0, 0.0), (0.0, 0.3))
    )
    assert shifted > 0.9
    assert scaled < 0.3


@pytest.mark.parametrize(("bias_s", "share"), [(0.0, 0.0), (0.1, 0.0), (0.3, 0.0), (1.0, 0.0), (0.0, 0.1), (0.0, 0.4)])
def test_the_stated_error_covers(bias_s: float, share: float) -> None:
    inside = []
    for seed in range(40):
        uniform = fitted(bias_s, 100 + seed, share)[0]
        for cell in uniform.cells:
            off = float(uniform(np.array([cell.logged_s]))[0]) - ((1 - share) * cell.logged_s - bias_s)
            inside.append(abs(off) <= 1.645 * cell.error_s)
    assert np.mean(inside) >= 0.85, "90 %; 400 cells of 40 worlds"


def test_random_rows_that_were_drawn_from_the_log_change_nothing_beyond_their_error() -> None:
    logged_s, watch_s, user, _, _ = world(0.0, 7)
    random = np.random.default_rng(8).random(len(user)) < 0.05
    uniform = UniformSlice.fit(logged_s, watch_s, user, random)
    for cell in uniform.cells:
        assert abs(uniform(np.array([cell.logged_s]))[0] - cell.logged_s) <= cell.error_s


def test_the_curve_never_falls_and_goes_on_by_its_last_ratio() -> None:
    uniform, _, _ = fitted(1.0, 3)
    grid = np.linspace(0, 400, 4001)
    assert (np.diff(uniform(grid)) >= 0).all()
    assert uniform(np.zeros(1))[0] == 0
    ratio = uniform(np.array([30.0, 300.0])) / [30.0, 300.0]
    assert ratio[0] == pytest.approx(ratio[1])


def test_too_few_random_rows_or_users_serve_nothing() -> None:
    logged_s, watch_s, user, random, _ = world(1.0, 4)
    few = random & (np.cumsum(random) < LEAST_ROWS)
    refused = UniformSlice.fit(logged_s, watch_s, user, few)
    assert refused.curve is None and str(refused.refused).startswith("499 rows of ")
    with pytest.raises(ValueError, match="499 rows"):
        refused(logged_s)
    one_user = UniformSlice.fit(logged_s, watch_s, np.where(random, 5, user), random)
    assert "of 1 users were exposed at random" in str(one_user.refused)


def test_cells_that_coincide_are_one() -> None:
    _, watch_s, user, random, _ = world(1.0, 5)
    uniform = UniformSlice.fit(np.full(len(user), 7.0), watch_s, user, random)
    assert len(uniform.cells) == 1
    assert uniform.cells[0].rows == RANDOM
