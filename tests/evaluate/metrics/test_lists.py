"""Top-k metrics: M8 (docs/methods/metrics.md#worked-example), and the NaN rules."""

import numpy as np
import pytest
from sklearn.metrics import ndcg_score

from tasks.evaluate.metrics import lists as at_k
from tasks.evaluate.metrics.groups import Groups, encode_groups
from tasks.evaluate.metrics.ranked_lists import rank_lists


@pytest.fixture
def m8_lists(m8):
    return rank_lists(m8.users, m8.prediction, np.zeros(8))


def test_m8_ndcg_and_recall(m8, m8_lists):
    ndcg = at_k.ndcg_at_k(m8_lists, m8.valid, 2)
    assert ndcg.value == pytest.approx(0.622038, abs=1e-6)
    np.testing.assert_allclose(ndcg.numerator_U, [0.613147, 0.630930, 0], atol=1e-6)
    assert (ndcg.num_dropped, ndcg.dropped_reason) == (1, "users without positives")
    assert at_k.ndcg_at_k(m8_lists, m8.valid, 2, "zero").value == pytest.approx(0.414692, abs=1e-6)
    assert at_k.ndcg_at_k(m8_lists, m8.valid, 2, "one").value == pytest.approx(0.748026, abs=1e-6)
    assert at_k.recall_at_k(m8_lists, m8.valid, 2).value == pytest.approx(0.75)


def test_m8_watch_time(m8, m8_lists):
    watch = at_k.mean_at_k(m8_lists, m8.label, 2)
    assert watch.numerator_U.tolist() == [17, 5, 5]
    assert watch.value == pytest.approx(9.0)
    completion = at_k.completion_at_k(m8_lists, m8.label, m8.duration, 2)
    np.testing.assert_allclose(completion.numerator_U, [0.475, 0.5, 0.5])
    assert completion.value == pytest.approx(0.491667, abs=1e-6)
    assert at_k.sum_at_k(m8_lists, m8.label, 2).value == pytest.approx(22.0)
    assert at_k.bounce_count_at_k(m8_lists, m8.label, 2).value == pytest.approx(0.5)


def test_m8_watch_time_gain(m8, m8_lists):
    gain = np.array([-2, 1, 3, 1, 2, -1, -1, 0.5])
    assert at_k.wtg_at_k(m8_lists, gain, 2).value == pytest.approx(0.75)
    dcg = at_k.dcg_wtg_at_k(m8_lists, gain, 2)
    np.testing.assert_allclose(dcg.numerator_U, [2.352934, 0.377783, 0], atol=1e-6)
    assert dcg.value == pytest.approx(1.365359, abs=1e-6)
    ndcg = at_k.ndcg_wtg_at_k(m8_lists, gain, 2)
    np.testing.assert_allclose(ndcg.numerator_U, [0.765361, 0.823182, 0], atol=1e-6)
    assert ndcg.value == pytest.approx(0.794271, abs=1e-6)
    assert (ndcg.num_groups, ndcg.num_dropped) == (2, 1)


def test_ndcg_equals_scikit_learn_without_ties():
    generator = np.random.default_rng(15)
    score, relevance = generator.random((40, 12)), generator.integers(0, 4, (40, 12))
    users = Groups(np.repeat(np.arange(40), 12), 40)
    lists = rank_lists(users, score.ravel(), np.zeros(480))
    for k in (1, 5, 12, 50):
        expected = ndcg_score(2.0**relevance - 1, score, k=min(k, 12))
        assert at_k.ndcg_at_k(lists, relevance.ravel(), k).value == pytest.approx(expected, abs=1e-12)


def test_users_without_gain_are_excluded_from_ndcg_wtg():
    lists = rank_lists(encode_groups(np.array([0, 0, 1, 1])), np.array([2.0, 1.0, 2.0, 1.0]), np.zeros(4))
    result = at_k.ndcg_wtg_at_k(lists, np.array([-3.0, -9.0, 1.0, 0.0]), 1)
    assert (result.value, result.num_groups) == (1.0, 1)


def test_no_positive_anywhere_is_nan(m8_lists):
    assert np.isnan(at_k.ndcg_at_k(m8_lists, np.zeros(8), 2).value)
    assert np.isnan(at_k.recall_at_k(m8_lists, np.zeros(8), 2).value)


def test_bad_input_is_refused(m8, m8_lists):
    with pytest.raises(ValueError, match="not seconds"):
        at_k.ndcg_at_k(m8_lists, m8.label, 2)
    with pytest.raises(ValueError, match="'skip'"):
        at_k.ndcg_at_k(m8_lists, m8.valid, 2, "skip")
    with pytest.raises(ValueError, match="neither 0 nor 1"):
        at_k.recall_at_k(m8_lists, m8.label, 2)
    with pytest.raises(ValueError, match="1 durations are not positive"):
        at_k.completion_at_k(m8_lists, m8.label, np.array([0, 1, 1, 1, 1, 1, 1, 1]), 2)
    with pytest.raises(ValueError, match="7 values for 8 ranked rows"):
        at_k.mean_at_k(m8_lists, m8.label[:7], 2)
