"""Diagnostics by hand, against plain numpy twins, and on Coat's distributed propensities."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from scipy.special import expit

from models.propensity.diagnostics import (
    FeatureBalance,
    ReliabilityBin,
    doubts,
    expected_calibration_error,
    mean_inverse,
    reliability,
)
from models.weights import effective_sample_size


def test_mean_inverse_by_hand() -> None:
    """Two observed rows weigh 2 and 4; D is these two and one sampled row that stands for ten."""
    observed, propensity = np.array([True, True, False]), np.array([0.5, 0.25, 0.1])
    assert mean_inverse(observed, propensity, np.array([1.0, 1.0, 10.0])) == pytest.approx(6 / 12)


def test_reliability_by_hand() -> None:
    observed = np.array([False, True, True, False])
    propensity, stands_for = np.array([0.2, 0.2, 0.6, 0.7]), np.array([3.0, 1.0, 2.0, 2.0])
    bins = reliability(observed, propensity, stands_for, bins=2)
    assert bins == [
        ReliabilityBin(pytest.approx(0.2), pytest.approx(0.25), 0.5),
        ReliabilityBin(pytest.approx(0.65), pytest.approx(0.5), 0.5),
    ]
    assert expected_calibration_error(bins) == pytest.approx(0.5 * 0.05 + 0.5 * 0.15)


def test_equal_propensities_share_a_bin() -> None:
    observed = np.arange(100) % 2 == 0
    (only,) = reliability(observed, np.full(100, 0.3), np.ones(100))
    assert (only.predicted, only.observed, only.share) == (pytest.approx(0.3), 0.5, 1.0)


def test_right_propensities_are_calibrated_and_shuffled_ones_are_not() -> None:
    random = np.random.default_rng(1)
    propensity = random.uniform(0.02, 0.9, 50_000)
    observed, ones = random.random(50_000) < propensity, np.ones(50_000)
    assert expected_calibration_error(reliability(observed, propensity, ones)) < 0.01
    shuffled = random.permutation(propensity)
    assert expected_calibration_error(reliability(observed, shuffled, ones)) > 0.15


def confounded(size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return two features of which one moves exposure, the propensities, and what was observed."""
    random = np.random.default_rng(4)
    feature = random.normal(size=(size, 2)) * [1.0, 3.0] + [2.0, -1.0]
    propensity = expit(-1 + (feature[:, 0] - 2))
    return feature, propensity, random.random(size) < propensity


def test_differences_and_bmse_equal_their_definitions() -> None:
    feature, propensity, observed = confounded(1_500)
    stands_for = np.where(observed, 1.0, np.random.default_rng(0).uniform(1, 4, 1_500))
    sums = FeatureBalance(2, clip=0.05)
    for part in (slice(0, 400), slice(400, 1_500)):
        sums.add(feature[part], observed[part], propensity[part], stands_for[part], stands_for[part])
    mean = np.average(feature, axis=0, weights=stands_for)
    deviation = np.sqrt(np.average((feature - mean) ** 2, axis=0, weights=stands_for))
    inverse = 1 / np.maximum(propensity, 0.05)
    before, after = sums.differences()
    assert before == pytest.approx((feature[observed].mean(0) - mean) / deviation)
    weighted = np.average(feature[observed], axis=0, weights=inverse[observed])
    assert after == pytest.approx((weighted - mean) / deviation)
    phi = np.column_stack([np.ones(1_500), (feature - mean) / deviation])
    bridge = np.where(observed, inverse, -1 / np.maximum(1 - propensity, 0.05))
    expected = np.square(np.average(bridge[:, None] * phi, axis=0, weights=stands_for)).sum()
    assert sums.bmse() == pytest.approx(expected)


def test_true_propensities_balance_what_plain_rows_do_not() -> None:
    feature, propensity, observed = confounded(60_000)
    ones = np.ones(60_000)
    sums = FeatureBalance(2, clip=0.01).add(feature, observed, propensity, ones, ones)
    before, after = sums.differences()
    assert before[0] > 0.4 and abs(before[1]) < 0.03
    assert np.abs(after).max() < 0.05
    wrong = FeatureBalance(2, clip=0.01).add(feature, observed, np.full(60_000, propensity.mean()), ones, ones)
    assert wrong.differences()[1] == pytest.approx(before)
    assert wrong.bmse() > 20 * sums.bmse()


def test_balance_against_random_rows() -> None:
    """At selection impression D is unknown: target weights mark the random rows instead."""
    feature = np.array([[0.0], [2.0], [4.0], [1.0], [3.0]])
    observed = np.array([True, True, True, False, False])
    target = (~observed).astype(np.float64)
    sums = FeatureBalance(1, clip=0.1).add(feature, observed, np.array([1, 0.5, 0.5, 1, 1.0]), np.zeros(5), target)
    before, after = sums.differences()
    assert before[0] == pytest.approx(0.0)
    assert after[0] == pytest.approx((0 + 2 * 2 + 2 * 4) / 5 - 2)


def test_a_constant_feature_differs_by_nothing_and_no_target_by_nan() -> None:
    feature, observed = np.full((4, 1), 0.1), np.array([True, False, True, False])
    half, ones = np.full(4, 0.5), np.ones(4)
    assert FeatureBalance(1, 0.1).add(feature, observed, half, ones, ones).differences()[1].tolist() == [0.0]
    assert np.isnan(FeatureBalance(1, 0.1).add(feature, observed, half, ones, 0 * ones).differences()[1]).all()


def test_doubts_fire_at_the_limits_of_the_specification() -> None:
    assert list(doubts(0.11, 1.09, [("a", 0.09)])) == []
    assert list(doubts(0.5, None, [])) == []
    ess, mass, smd = doubts(0.09, 0.89, [("a", 0.2), ("b", -0.3), ("c", 0.0)])
    assert "9.0 % of the observed rows" in ess
    assert "0.890" in mass
    assert "2 of 3 features" in smd and "b by -0.30" in smd


def test_coat_distributed_propensities(shared_data: Callable[[str], Path]) -> None:
    """The reference figures of docs/methods/debias.md#overlap-diagnostics."""
    folder = shared_data("coat")
    propensity = np.loadtxt(folder / "propensities.ascii").ravel()
    observed = np.loadtxt(folder / "train.ascii").ravel() > 0
    weight = 1 / propensity[observed]
    assert propensity.sum() == pytest.approx(6_961.6, abs=0.05)
    assert observed.sum() == 6_960
    assert mean_inverse(observed, propensity, np.ones(len(observed))) == pytest.approx(1.040, abs=5e-4)
    assert weight.max() == pytest.approx(245, abs=0.5)
    assert effective_sample_size(weight) == pytest.approx(2_211, abs=0.5)
