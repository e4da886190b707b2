"""Bounds and the variance of seeds against numbers worked out by hand."""

import math
from typing import Any

import pytest

from tasks.gate.statistics import lower_bound, upper_bound, with_seed_variance


def test_bounds() -> None:
    assert lower_bound(0.002, 0.001, 1.645) == pytest.approx(0.000355)
    assert upper_bound(0.002, 0.001, 1.645) == pytest.approx(0.003645)
    assert math.isnan(lower_bound(math.nan, 0.001, 1.645))


def test_seed_variance_adds_to_the_paired_one(make: Any) -> None:
    metric = make.paired("xauc", 0.001, 0.0006, candidate_seed_sd=0.0012, reference_seed_sd=0.0009)
    assert with_seed_variance(metric) == pytest.approx(math.sqrt(0.0006**2 + 0.0012**2 / 3 + 0.0009**2 / 3))


def test_unknown_seed_variance_is_undefined(make: Any) -> None:
    assert math.isnan(with_seed_variance(make.paired("xauc", 0.1, 0.0, candidate_seed_sd=math.nan)))
