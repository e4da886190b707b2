"""What weights are worth, by hand."""

import numpy as np
import pytest

from models.weights import effective_sample_size, share_of_largest


def test_effective_sample_size_by_hand() -> None:
    assert effective_sample_size(np.ones(7)) == 7
    assert effective_sample_size(np.array([1.0, 3.0])) == pytest.approx(16 / 10)
    assert effective_sample_size(np.array([1e6, 1.0, 1.0])) == pytest.approx(1, rel=1e-5)
    assert effective_sample_size(np.zeros(0)) == 0


def test_share_of_the_largest_by_hand() -> None:
    weight = np.array([5.0, 1.0, 2.0, 2.0])
    assert share_of_largest(weight) == 0.5
    assert share_of_largest(weight, 0.5) == 0.7
    assert share_of_largest(np.ones(1_000)) == pytest.approx(0.01)
    assert np.isnan(share_of_largest(np.zeros(0)))
