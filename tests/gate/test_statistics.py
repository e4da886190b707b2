"""Bounds and Holm's procedure against numbers worked out by hand."""

import math
from typing import Any

import pytest

from tasks.gate.statistics import holm, lower_bound, superiority_p_value, upper_bound, with_seed_variance


def test_bounds() -> None:
    assert lower_bound(0.002, 0.001, 1.645) == pytest.approx(0.000355)
    assert upper_bound(0.002, 0.001, 1.645) == pytest.approx(0.003645)
    assert math.isnan(lower_bound(math.nan, 0.001, 1.645))


def test_p_value_of_one_sided_test() -> None:
    assert superiority_p_value(0.001645, 0.001) == pytest.approx(0.05, abs=1e-4)
    assert superiority_p_value(0.0, 0.001) == 0.5
    assert superiority_p_value(-0.01, 0.001) > 0.999


@pytest.mark.parametrize(("delta", "expected"), [(0.0, 1.0), (-0.1, 1.0), (0.1, 0.0), (math.nan, 1.0)])
def test_p_value_without_uncertainty(delta: float, expected: float) -> None:
    assert superiority_p_value(delta, 0.0) == expected


def test_holm_by_hand() -> None:
    # sorted .01 .03 .04 with factors 3 2 1: .03, .06, max(.06, .04)
    assert holm({"a": 0.04, "b": 0.01, "c": 0.03}) == pytest.approx({"b": 0.03, "c": 0.06, "a": 0.06})


def test_holm_of_two_halves_the_level_for_the_first() -> None:
    assert holm({"xauc": 0.024, "xgauc": 0.5}) == pytest.approx({"xauc": 0.048, "xgauc": 0.5})
    assert holm({"xauc": 0.026, "xgauc": 0.5})["xauc"] > 0.05
    assert holm({"xauc": 0.9, "xgauc": 0.8}) == {"xauc": 1.0, "xgauc": 1.0}


def test_seed_variance_adds_to_the_paired_one(make: Any) -> None:
    metric = make.paired("xauc", 0.001, 0.0006, candidate_seed_sd=0.0012, reference_seed_sd=0.0009)
    assert with_seed_variance(metric) == pytest.approx(math.sqrt(0.0006**2 + 0.0012**2 / 3 + 0.0009**2 / 3))


def test_unknown_seed_variance_is_undefined(make: Any) -> None:
    assert math.isnan(with_seed_variance(make.paired("xauc", 0.1, 0.0, candidate_seed_sd=math.nan)))
