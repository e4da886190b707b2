"""Intervals and paired comparisons: exact resamples, a model against itself, and what is refused."""

import numpy as np
import pytest

from tasks.evaluate.estimate import Draw, difference, relative_difference
from tasks.evaluate.metrics import calibration, classification, grouped, lists, point
from tasks.evaluate.metrics.groups import Groups, encode_groups
from tasks.evaluate.metrics.pairwise import xauc, xauc_influence
from tasks.evaluate.metrics.ranked_lists import rank_lists
from tasks.evaluate.metrics.uncertainty import interval, standard_error, user_bootstrap_weights
from tasks.evaluate.metrics.user_statistics import UserInfluence

NUM_USERS = 60
EDGES = np.array([3.0, 10.0])


def _table(seed=17):
    generator = np.random.default_rng(seed)
    user = np.repeat(np.arange(NUM_USERS), generator.integers(1, 12, NUM_USERS))
    label = np.exp(generator.normal(1.5, 1, user.size)).round(1)
    prediction = np.exp(0.5 * np.log(label) + generator.normal(0.7, 0.5, user.size))
    return user, label, prediction


def _draws(statistic, weights=None):
    """What one seed brings into a comparison."""
    if isinstance(statistic, UserInfluence):
        return [Draw(statistic.result(), None, statistic.psi_U)]
    return [Draw(statistic.result(), statistic.replicates(weights), None)]


def _ranked(prediction, users):
    return rank_lists(users, prediction, np.zeros(prediction.size))


ADDITIVE = {
    "mae": point.mae,
    "rmse": point.rmse,
    "nmae": point.nmae,
    "tre": point.tre,
    "mre": point.mre,
    "xgauc": grouped.grouped_xauc,
    "xgauc_pairs": lambda y, p, users: grouped.grouped_xauc(y, p, users, "pairs"),
    "gauc": lambda y, p, users: classification.gauc(y > 8, p, users),
    "ndcg": lambda y, p, users: lists.ndcg_at_k(_ranked(p, users), y > 8, 3),
    "recall": lambda y, p, users: lists.recall_at_k(_ranked(p, users), y > 8, 3),
    "watch": lambda y, p, users: lists.mean_at_k(_ranked(p, users), y, 3),
    "watch_gt_k": lambda y, p, users: lists.sum_at_k(_ranked(p, users), y, 3),
    "dce_rel": lambda y, p, users: calibration.dce_rel(y, p, calibration.assign_bins(y, EDGES), users),
    "dce_s": lambda y, p, users: calibration.dce_s(y, p, calibration.assign_bins(y, EDGES), users),
    "dce_max": lambda y, p, users: calibration.dce_max(y, p, calibration.assign_bins(y, EDGES), users),
}


@pytest.mark.parametrize("metric", ADDITIVE.values(), ids=ADDITIVE)
def test_replicates_equal_the_metric_on_the_resampled_table(metric):
    user, label, prediction = _table()
    statistic = metric(label, prediction, Groups(user, NUM_USERS))
    weights = user_bootstrap_weights(NUM_USERS, 5, seed=1)
    for replicate, drawn in zip(statistic.replicates(weights), weights, strict=True):
        copies = [np.flatnonzero(user == one) for one, times in enumerate(drawn) for _ in range(times)]
        rows = np.concatenate(copies)
        copy_of = np.repeat(np.arange(len(copies)), [copy.size for copy in copies])
        expected = metric(label[rows], prediction[rows], encode_groups(copy_of)).value
        assert replicate == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("metric", [*ADDITIVE.values(), xauc_influence], ids=[*ADDITIVE, "xauc"])
def test_a_model_against_itself_differs_by_exactly_zero(metric):
    user, label, prediction = _table()
    users, weights = Groups(user, NUM_USERS), user_bootstrap_weights(NUM_USERS, 50, seed=2)
    both = metric(label, prediction, users), metric(label.copy(), prediction.copy(), users)
    same = difference(*(_draws(side, weights) for side in both), 0.95)
    assert (same.value, same.standard_error, same.low, same.high) == (0, 0, 0, 0)


def test_weights_are_multinomial_and_reproducible():
    weights = user_bootstrap_weights(40, 500, seed=3)
    assert weights.shape == (500, 40)
    assert (weights.sum(axis=1) == 40).all()
    assert weights.var() == pytest.approx(1 - 1 / 40, rel=0.05)
    np.testing.assert_array_equal(weights, user_bootstrap_weights(40, 500, seed=3))
    assert (weights != user_bootstrap_weights(40, 500, seed=4)).any()
    with pytest.raises(ValueError, match="got 0 and 1000"):
        user_bootstrap_weights(0, seed=0)


def test_interval_of_a_mean_equals_its_closed_form():
    generator = np.random.default_rng(18)
    label = generator.exponential(10, 2000)
    users = Groups(np.arange(2000), 2000)
    result = interval(point.mae(label, np.zeros(2000), users), user_bootstrap_weights(2000, 2000, seed=5))
    error = label.std() / np.sqrt(2000)
    assert result.standard_error == pytest.approx(error, rel=0.06)
    assert result.low == pytest.approx(label.mean() - 1.96 * error, abs=0.25 * error)
    assert result.high == pytest.approx(label.mean() + 1.96 * error, abs=0.25 * error)
    assert result.value == pytest.approx(label.mean())
    counts = point.mae(label, np.zeros(2000), users).result()
    assert (counts.num_rows, counts.num_groups) == (2000, 2000)


def test_pairing_beats_independent_intervals_and_keeps_the_sign():
    user, label, prediction = _table()
    users, weights = Groups(user, NUM_USERS), user_bootstrap_weights(NUM_USERS, 400, seed=6)
    worse = prediction + 0.5
    sides = point.rmse(label, worse, users), point.rmse(label, prediction, users)
    pair = difference(*(_draws(side, weights) for side in sides), 0.95)
    alone = interval(point.rmse(label, prediction, users), weights)
    expected = point.rmse(label, worse).value - point.rmse(label, prediction).value
    assert pair.value == pytest.approx(expected)
    assert pair.low < pair.value < pair.high
    assert pair.standard_error < alone.standard_error
    sides = point.rmse(label, 2 * label, users), point.rmse(label, 1.5 * label, users)
    ratio = relative_difference(*(_draws(side, weights) for side in sides), 0.95)
    assert (ratio.value, ratio.low, ratio.high) == pytest.approx((1, 1, 1))


def test_influence_interval_is_normal():
    user, label, prediction = _table()
    influence = xauc_influence(label, prediction, Groups(user, NUM_USERS))
    result = interval(influence, level=0.9)
    assert result.value == pytest.approx(xauc(label, prediction).value)
    assert result.high - result.value == pytest.approx(1.6448536 * result.standard_error)
    assert influence.result().num_groups == NUM_USERS


def test_users_without_rows_do_not_change_an_influence():
    user, label, prediction = _table()
    few, many = (interval(xauc_influence(label, prediction, Groups(user, size))) for size in (NUM_USERS, 500))
    assert few == many


def test_undefined_metrics_and_tiny_samples_have_nan_intervals():
    users, weights = Groups(np.array([0, 1]), 2), user_bootstrap_weights(2, 50, seed=7)
    result = interval(classification.gauc(np.array([0, 1]), np.array([0.1, 0.2]), users), weights)
    assert np.isnan([result.value, result.standard_error, result.low, result.high]).all()
    one_usable = grouped.grouped_xauc(np.array([1, 2, 3]), np.array([1, 2, 3]), Groups(np.array([0, 0, 1]), 2))
    assert one_usable.value == 1.0
    assert np.isnan(interval(one_usable, weights).low)
    assert np.isnan(standard_error(np.array([0.1]), 1))


def test_what_cannot_be_compared_is_refused():
    user, label, prediction = _table()
    users, weights = Groups(user, NUM_USERS), user_bootstrap_weights(NUM_USERS, 10, seed=8)
    mae, influence = point.mae(label, prediction, users), xauc_influence(label, prediction, users)
    with pytest.raises(ValueError, match="needs user_bootstrap_weights"):
        interval(mae)
    with pytest.raises(ValueError, match=r"weights of shape \(10, 59\) do not fit 60 users"):
        interval(mae, weights[:, 1:])
    with pytest.raises(ValueError, match=r"level is 95, allowed is \(0, 1\)"):
        interval(mae, weights, 95)
    with pytest.raises(ValueError, match="identical rows"):
        difference(_draws(mae, weights), _draws(influence), 0.95)
    with pytest.raises(ValueError, match="identical rows"):
        fewer = point.mae(label[1:], prediction[1:], users.subset(slice(1, None)))
        difference(_draws(mae, weights), _draws(fewer, weights), 0.95)
    with pytest.raises(ValueError, match="identical rows"):
        difference(_draws(influence), _draws(UserInfluence(0.5, np.zeros(3), 3, 3)), 0.95)
