"""CRPS against numerical integration and MAE; the histogram divergence of M8."""

import numpy as np
import pytest

from tasks.evaluate.metrics.distribution import crps, kl_histogram


def test_crps_of_a_point_prediction_is_the_absolute_error():
    for prediction in (0.0, 4.0, 30.0):
        assert crps(np.array([7.5]), np.array([prediction]), np.array([[1.0]])).value == abs(7.5 - prediction)


def test_crps_equals_numerical_integration():
    generator = np.random.default_rng(1)
    node = np.array([0.0, 1.0, 3.0, 3.5, 8.0])
    label = generator.uniform(-2, 12, 30)
    cdf = np.sort(generator.random((30, 5)), axis=1)
    cdf[:, -1] = 1
    grid = (np.arange(140_000) + 0.5) / 10_000 - 2
    step = np.concatenate([np.zeros((30, 1)), cdf], axis=1)[:, np.searchsorted(node, grid, side="right")]
    expected = np.square(step - (label[:, None] <= grid)).sum(axis=1) / 10_000
    assert crps(label, node, cdf).value == pytest.approx(expected.mean(), abs=1e-3)


def test_crps_refuses_what_is_no_distribution():
    label, node = np.array([1.0, 2.0]), np.array([0.0, 5.0])
    with pytest.raises(ValueError, match=r"1 rows are no distribution, first at rows \[1\]"):
        crps(label, node, np.array([[0.1, 1.0], [0.9, 0.2]]))
    with pytest.raises(ValueError, match="1 rows are no distribution"):
        crps(label, node, np.array([[0.1, 1.0], [np.nan, 1.0]]))
    with pytest.raises(ValueError, match="not strictly increasing"):
        crps(label, node[::-1], np.array([[0.1, 1.0], [0.1, 1.0]]))
    with pytest.raises(ValueError, match=r"needed is \(2, 2\)"):
        crps(label, node, np.array([[0.1, 1.0]]))


def test_kl_m8_is_dominated_by_its_empty_bin(m8):
    result = kl_histogram(m8.label, m8.prediction, bins=np.array([0, 5, 10, 20, 40]))
    assert result.value == pytest.approx(2.588855, abs=1e-6)
    assert (result.num_groups, result.num_dropped) == (4, 1)
    assert 0.125 * np.log((0.125 + 1e-10) / 1e-10) == pytest.approx(2.618, abs=1e-3)


def test_kl_of_the_label_itself_is_zero(m8):
    result = kl_histogram(m8.label, m8.label)
    assert (result.value, result.num_groups, result.num_dropped) == (0.0, 100, 0)


def test_kl_is_nan_where_nothing_can_be_compared(m8):
    assert np.isnan(kl_histogram(m8.label, m8.prediction + 1e6).value)
    assert np.isnan(kl_histogram(np.array([]), np.array([])).value)
