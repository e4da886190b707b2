import numpy as np
import pytest

from tasks.evaluate.estimate import average, difference, relative_difference
from tasks.evaluate.influence import grouped_xauc_influence
from tasks.evaluate.metrics import calibration, point
from tasks.evaluate.metrics.grouped import grouped_xauc
from tasks.evaluate.metrics.groups import encode_groups, one_group
from tasks.evaluate.metrics.pairwise import xauc_influence
from tasks.evaluate.metrics.uncertainty import interval, standard_error, user_bootstrap_weights
from tasks.evaluate.resampling import Resampler, exact_totals


def sample(users: int = 300, rows: int = 4000, seed: int = 0):
    draw = np.random.default_rng(seed)
    user = draw.integers(0, users, rows)
    y = np.round(np.exp(draw.normal(2, 1, rows) + 0.5 * draw.normal(0, 1, users)[user]), 3)
    return encode_groups(user), y, y * np.exp(draw.normal(0, 0.7, rows))


def test_totals_do_not_depend_on_the_order_of_summation():
    draw = np.random.default_rng(0)
    columns = draw.normal(0, 1, (5000, 4)) * [1, 1e-9, 1e12, 0]
    weights = user_bootstrap_weights(5000, 100, seed=1)
    order = draw.permutation(5000)
    totals = exact_totals(weights, columns)
    np.testing.assert_array_equal(totals, exact_totals(weights[:, order], columns[order]))
    error = np.abs(totals - weights.astype(float) @ columns).max(axis=0)
    assert (error <= 1e-12 * np.abs(columns).sum(axis=0)).all()
    assert not totals[:, 3].any()


def test_replicates_are_those_of_the_metric_itself():
    users, y, p = sample()
    bins = calibration.assign_bins(y, np.array([3.0, 10.0]))
    statistics = {
        "rmse": point.rmse(y, p, users),
        "tre": point.tre(y, p, users),
        "dce": calibration.dce_rel(y, p, bins, users),
        "max": calibration.dce_max(y, p, bins, users),
        "xgauc": grouped_xauc(y, p, users),
    }
    resampler = Resampler(users.num_groups, 200, seed=3)
    weights = user_bootstrap_weights(users.num_groups, 200, seed=3)
    for name, drawn in resampler.draw(statistics).items():
        expected = interval(statistics[name], weights)
        found = average([drawn], 0.95)
        assert found.standard_error == pytest.approx(expected.standard_error, rel=1e-9), name
        assert (found.low, found.high) == pytest.approx((expected.low, expected.high), rel=1e-9), name


def test_bags_of_users_keep_the_standard_error():
    users, y, p = sample(users=4000, rows=20_000)
    metric = {"mae": point.mae(y, p, users), "dce": calibration.dce_s(y, p, one_group(y.size), users)}
    each = Resampler(users.num_groups, 1000, seed=0)
    bagged = Resampler(users.num_groups, 1000, seed=0, max_units=500)
    assert bagged.num_units == 500
    assert np.bincount(bagged.unit_of_user).max() - np.bincount(bagged.unit_of_user).min() <= 1
    for name in metric:
        wide, exact = (average([resampler.draw(metric)[name]], 0.95) for resampler in (bagged, each))
        assert wide.value == exact.value
        assert wide.standard_error == pytest.approx(exact.standard_error, rel=0.15)


def test_intervals_cover_the_truth_as_often_as_they_say():
    covered = 0
    for number in range(200):
        draw = np.random.default_rng(number)
        user = draw.integers(0, 150, 600)
        y = 10 + draw.normal(0, 2, 150)[user] + draw.normal(0, 3, 600)
        users = encode_groups(user)
        statistic = {"mean": point.nmae(np.ones(600), y + 1, users)}
        found = average([Resampler(users.num_groups, 200, seed=number).draw(statistic)["mean"]], 0.95)
        covered += found.low < 10 < found.high
    assert 178 <= covered <= 199  # 95 % of 200, less what the percentile interval of 150 users loses


def test_grouped_influence_equals_the_metric_and_the_explicit_bootstrap():
    users, y, p = sample(users=200, rows=3000)
    videos = encode_groups(np.random.default_rng(9).integers(0, 25, 3000))
    found = grouped_xauc_influence(y, p, videos, users)
    assert found.value == pytest.approx(grouped_xauc(y, p, videos).value)
    assert found.psi_U.sum() == pytest.approx(0, abs=1e-10)
    replicates = []
    for weights in user_bootstrap_weights(200, 150, seed=2):
        index = np.repeat(np.arange(3000), weights[users.code_B])
        copy = encode_groups(videos.code_B[index])
        replicates.append(grouped_xauc(y[index], p[index], copy).value)
    assert standard_error(found.psi_U, 200) == pytest.approx(np.std(replicates), rel=0.2)


def test_grouped_influence_of_one_group_is_the_pooled_one():
    users, y, p = sample()
    pooled, grouped = xauc_influence(y, p, users), grouped_xauc_influence(y, p, one_group(y.size), users)
    assert grouped.value == pytest.approx(pooled.value)
    np.testing.assert_allclose(grouped.psi_U, pooled.psi_U, atol=1e-12)


def test_no_comparable_pair_is_undefined():
    users, _, p = sample(rows=50)
    found = grouped_xauc_influence(np.ones(50), p, one_group(50), users)
    assert np.isnan(found.value)


def test_differences_average_over_seeds_on_both_sides():
    users, y, p = sample()
    resampler = Resampler(users.num_groups, 200, seed=0)
    guesses = [p * factor for factor in (0.8, 1.0, 1.3)]
    drawn = [resampler.draw({"mae": point.mae(y, guess, users)})["mae"] for guess in guesses]
    gap = difference(drawn[:2], drawn[2:], 0.95)
    values = [draw.result.value for draw in drawn]
    assert gap.value == pytest.approx(np.mean(values[:2]) - values[2])
    assert gap.low < gap.value < gap.high
    ratio = relative_difference(drawn[:2], drawn[2:], 0.95)
    assert ratio.value == pytest.approx(np.mean(values[:2]) / values[2] - 1)
