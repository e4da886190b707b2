"""Probabilities and the draw, on rows whose truth is known: what weights give back, and what comes out without them."""

import datetime as dt
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import linalg

from tasks.table.selection.distance import Moments, frechet
from tasks.table.selection.probabilities import Scores, inclusion
from tasks.table.selection.select import Draw

NIGHT = dt.date(2024, 3, 4)
DRAWS, ROWS, VIDEOS, USERS = 200, 1_000, 40, 100
Floats = NDArray[np.float64]


@pytest.mark.parametrize("share", [0.05, 0.2, 0.9])
def test_probabilities_are_scaled_scores_between_their_bounds_that_keep_the_share(share: float) -> None:
    random = np.random.default_rng(1)
    score_K, rows_K = random.lognormal(0, 2, 50), random.integers(1, 100, 50)
    found_K = inclusion(score_K, rows_K, share, 0.05)
    assert (rows_K * found_K).sum() == pytest.approx(share * rows_K.sum(), rel=1e-9)
    assert (found_K >= 0.05).all() and (found_K <= 1).all()
    inside_K = (found_K > 0.05) & (found_K < 1)
    assert share == 0.05 or inside_K.any()
    np.testing.assert_allclose((found_K / score_K)[inside_K], (found_K / score_K)[inside_K][:1].repeat(inside_K.sum()))


@cache
def world() -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], Floats]:
    """Return users, videos, times and watch times of rows; the more rows a video has, the longer it is watched."""
    random = np.random.default_rng(0)
    video = (VIDEOS * random.random(ROWS) ** 3).astype(np.int64)
    user = random.integers(0, USERS, ROWS)
    return user, video, np.arange(ROWS), 40 * np.exp(-video / 8) + random.exponential(3, ROWS)


def draw_of(unit: str, seed: int) -> Draw:
    return replace(first_draw(unit), seed=seed)


@cache
def first_draw(unit: str) -> Draw:
    user, video, _, _ = world()
    key = user if unit == "user" else video
    level_K, rows_K = np.unique(key, return_counts=True)
    scores = Scores("user_id" if unit == "user" else "video_id", unit, level_K, rows_K, 1.0 / rows_K**2)
    return Draw(scores, scores.probabilities(0.3, 0.05), 0, NIGHT)


@pytest.mark.parametrize("unit", ["row", "user"])
def test_rows_are_kept_as_often_as_their_probability_says(unit: str) -> None:
    user, video, time, _ = world()
    kept = np.zeros(ROWS)
    for seed in range(DRAWS):
        probability_R, kept_R = draw_of(unit, seed)(user, video, time)
        kept += kept_R
    error_R = np.sqrt(probability_R * (1 - probability_R) / DRAWS).clip(1e-9)
    z_R = (kept / DRAWS - probability_R)[probability_R < 1] / error_R[probability_R < 1]
    assert np.abs(z_R).max() < 4.5
    assert (kept[probability_R == 1] == DRAWS).all()
    if unit == "user":  # all rows of a user, or none
        assert all(len(np.unique(kept_R[user == one])) == 1 for one in np.unique(user))


@pytest.mark.parametrize("unit", ["row", "user"])
def test_weighted_sums_and_shares_are_those_of_the_pool_on_average_and_unweighted_ones_are_not(unit: str) -> None:
    """Shares below fixed values are what quantiles, thresholds and buckets are read off. The wrong twin drops the weights."""
    user, video, time, watch_s = world()
    statistics = {"sum": watch_s, **{f"below {cut}": (watch_s <= cut).astype(float) for cut in (2.0, 10.0, 30.0)}}
    found: dict[str, list[float]] = {name: [] for name in statistics}
    plain: dict[str, list[float]] = {name: [] for name in statistics}
    for seed in range(DRAWS):
        probability_R, kept_R = draw_of(unit, seed)(user, video, time)
        for name, value_R in statistics.items():
            found[name].append(float((value_R / probability_R)[kept_R].sum()))
            plain[name].append(float(value_R[kept_R].sum() * ROWS / kept_R.sum()))

    def z(draws: list[float], truth: float) -> float:
        return abs(np.mean(draws) - truth) / (np.std(draws, ddof=1) / np.sqrt(DRAWS))

    for name, value_R in statistics.items():
        assert z(found[name], value_R.sum()) < 3.5, name
    if unit == "row":  # among users the probability says nothing of what is watched
        assert max(z(plain[name], value_R.sum()) for name, value_R in statistics.items()) > 20


def test_a_weighted_median_is_near_that_of_the_pool_and_an_unweighted_one_far() -> None:
    user, video, time, watch_s = world()
    medians: dict[str, list[float]] = {"weighted": [], "plain": []}
    for seed in range(60):
        probability_R, kept_R = draw_of("row", seed)(user, video, time)
        order = np.argsort(watch_s[kept_R])
        for name, weight_R in (("weighted", 1 / probability_R), ("plain", np.ones(ROWS))):
            mass = np.cumsum(weight_R[kept_R][order])
            medians[name].append(watch_s[kept_R][order][np.searchsorted(mass, mass[-1] / 2)])
    truth = float(np.median(watch_s))
    assert abs(np.median(medians["weighted"]) - truth) < 0.1 * truth
    assert abs(np.median(medians["plain"]) - truth) > 0.25 * truth


def test_the_draw_is_of_identities_seed_and_night() -> None:
    user, video, time, _ = world()
    order = np.random.default_rng(5).permutation(ROWS)
    draw = draw_of("row", 0)
    kept_R = draw(user, video, time)[1]
    np.testing.assert_array_equal(draw(user[order], video[order], time[order])[1], kept_R[order])
    other = replace(draw, night=NIGHT + dt.timedelta(days=1))
    for another in (draw_of("row", 1), other):
        assert 0.1 < (another(user, video, time)[1] != kept_R).mean() < 0.6


def moments(value_RN: Floats) -> Moments:
    found = Moments.none(value_RN.shape[1])
    found.add(value_RN[:7])
    found.add(value_RN[7:])
    return found


def test_the_frechet_distance_is_that_of_the_published_formula() -> None:
    random = np.random.default_rng(2)
    one, other = random.normal(size=(4_000, 3)) @ random.normal(size=(3, 3)), random.normal(1, 2, size=(5_000, 3))
    first, second = moments(one), moments(other)
    s, t = first.covariance(), second.covariance()
    np.testing.assert_allclose(s, np.cov(one.T, ddof=0), rtol=0.01, atol=0.01)
    crossed = np.real(linalg.sqrtm(s @ t))
    expected = np.square(first.mean() - second.mean()).sum() + np.trace(s + t - 2 * crossed)
    assert frechet(first, second) == pytest.approx(expected, rel=1e-9)
    assert frechet(first, first) == pytest.approx(0, abs=1e-9)


def test_the_distance_of_few_rows_is_finite_and_their_covariance_is_not_singular() -> None:
    few = moments(np.ones((2, 5)) * np.array([[1.0], [2.0]]))
    many = moments(np.random.default_rng(3).normal(size=(500, 5)))
    assert np.linalg.matrix_rank(few.covariance()) == 5
    assert np.isfinite(frechet(few, many)) and frechet(few, many) > 0
