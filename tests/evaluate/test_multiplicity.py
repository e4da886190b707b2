"""Holm against the closed testing that it is a shortcut of, and p-values against the normal table."""

import itertools
import math

import numpy as np
import pytest

from tasks.evaluate.multiplicity import holm, p_value


def closed(p_values: dict[int, float]) -> dict[int, float]:
    """Return the largest Bonferroni p-value over all groups that a difference belongs to."""
    groups = [group for size in range(1, len(p_values) + 1) for group in itertools.combinations(p_values, size)]
    return {
        key: max(min(1.0, len(group) * min(p_values[one] for one in group)) for group in groups if key in group)
        for key in p_values
    }


@pytest.mark.parametrize("draw", range(20))
def test_holm_is_closed_testing_by_bonferroni(draw: int) -> None:
    random = np.random.default_rng(draw)
    p_values = dict(enumerate(np.round(random.beta(0.4, 1.5, 6), 2).tolist()))  # rounded: ties
    assert holm(p_values) == pytest.approx(closed(p_values))


def test_undefined_differences_are_no_tests() -> None:
    adjusted = holm({"a": 0.01, "b": math.nan, "c": 0.03})
    assert (adjusted["a"], adjusted["c"]) == pytest.approx((0.02, 0.03))
    assert math.isnan(adjusted["b"])
    assert holm({}) == {}


def test_p_values_are_two_sided_and_normal() -> None:
    assert p_value(1.959964, 1.0) == pytest.approx(0.05, abs=1e-6)
    assert p_value(-2 * 2.575829, 2.0) == pytest.approx(0.01, abs=1e-6)
    assert p_value(0.0, 0.0) == 1, "a model against itself"
    assert p_value(0.1, 0.0) == 0
    assert math.isnan(p_value(math.nan, 1.0)) and math.isnan(p_value(0.1, math.nan))
