"""Bounds against numbers worked out by hand."""

import math

import pytest

from tasks.gate.statistics import lower_bound, upper_bound


def test_bounds() -> None:
    assert lower_bound(0.002, 0.001, 1.645) == pytest.approx(0.000355)
    assert upper_bound(0.002, 0.001, 1.645) == pytest.approx(0.003645)
    assert math.isnan(lower_bound(math.nan, 0.001, 1.645))
