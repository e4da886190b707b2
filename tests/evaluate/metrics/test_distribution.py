"""The histogram divergence of M8."""

import numpy as np
import pytest

from tasks.evaluate.metrics.distribution import kl_histogram


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
