"""Evidence over nights against integration, brute force, simulation and the numbers published for it."""

import itertools
import math

import numpy as np
import pytest
from scipy.integrate import quad

from tasks.gate.evidence_process import (
    Process,
    autocorrelation,
    boundary,
    e_value,
    nights_needed,
    rejected,
    variance_of_sum,
)

S = 0.0018
"""One night's standard error of an XAUC difference on a log of usual size."""


@pytest.mark.parametrize("total", [-0.08, -0.01, 0.0, 0.004, 0.02, 0.06])
@pytest.mark.parametrize("nights", [1, 7, 60, 365])
def test_e_equals_the_integral_over_its_prior(total: float, nights: int) -> None:
    """E = int of exp(l S - l^2 V / 2) over a half-normal prior of l with precision r."""
    variance, precision = nights * S**2, 20 * S**2
    scale = 1 / math.sqrt(precision)

    def weighted(u: float) -> float:
        rate = u * scale
        return 2 * math.exp(rate * total - rate**2 * variance / 2 - u**2 / 2) / math.sqrt(2 * math.pi)

    integral = quad(weighted, 0, 40, epsabs=0, epsrel=1e-13, limit=500)[0]
    assert e_value(total, variance, precision) == pytest.approx(integral, rel=1e-10)


def test_e_grows_with_the_sum_and_neither_overflows_nor_vanishes() -> None:
    values = [e_value(total, 30 * S**2, 20 * S**2) for total in np.linspace(-0.3, 0.3, 61)]
    assert values == sorted(values)
    assert e_value(10.0, S**2, S**2) == math.exp(700)
    assert e_value(-1.0, S**2, 20 * S**2) > 0
    assert e_value(0.0, 0.0, S**2) == pytest.approx(1.0)


@pytest.mark.parametrize("alpha", [0.05, 0.008, 0.0001])
def test_the_boundary_is_where_e_reaches_one_over_alpha_and_below_the_closed_bound(alpha: float) -> None:
    variance, precision = 30 * S**2, 20 * S**2
    reached = boundary(variance, precision, alpha)
    assert e_value(reached, variance, precision) == pytest.approx(1 / alpha, rel=1e-9)
    spread = variance + precision
    closed = math.sqrt(2 * spread * math.log(1 + math.sqrt(spread / precision) / (2 * alpha)))
    assert 0.9 * closed < reached <= closed
    process = Process.of([0.001] * 30, [S] * 30)
    assert process.lower(alpha) == pytest.approx((0.03 - reached) / 30)


@pytest.mark.parametrize(("delta", "nights"), [(0.001, 43), (0.002, 16), (0.003, 10)])
def test_nights_needed_are_those_published_for_five_slots(delta: float, nights: int) -> None:
    process = Process(7, 7 * delta, 7 * S**2, "bootstrap", 20 * S**2)
    assert nights_needed([process], 5 / 0.05, 7) == nights
    assert nights_needed([process], 5 / 0.05, 28) == max(nights, 28)


def test_no_number_of_nights_makes_up_for_a_loss() -> None:
    assert nights_needed([Process.of([-0.001] * 7, [S] * 7)], 20, 7) is None


def test_the_largest_variance_rules() -> None:
    still, lively = [0.001] * 40, [0.001 + 0.01 * (-1) ** night for night in range(40)]
    weekly = [0.01 * (-1) ** (night // 7) for night in range(42)]
    assert variance_of_sum(still, [S] * 40) == pytest.approx((40 * S**2, "bootstrap"))
    assert variance_of_sum(lively[:6], [S] * 6).source == "bootstrap", "six nights do not tell"
    assert variance_of_sum(lively[:7], [S] * 7) == (7 * np.var(lively[:7], ddof=1), "nights")
    assert variance_of_sum(weekly[:27], [S] * 27).source == "nights"
    blocks = 7 * np.var([0.01, -0.01] * 3, ddof=1) * (1 + math.sqrt(2 / 5))
    assert variance_of_sum(weekly, [S] * 42) == pytest.approx((42 * blocks, "weeks"))


def test_autocorrelation() -> None:
    assert math.isnan(autocorrelation([0.1] * 6))
    assert math.isnan(autocorrelation([0.1] * 9))
    assert autocorrelation([1, -1] * 50) == pytest.approx(-0.99)
    assert autocorrelation([1, 1, 1, 1, -1, -1, -1, -1]) == pytest.approx(5 / 8)


@pytest.mark.parametrize("seed", range(20))
def test_closed_testing_equals_brute_force_over_all_groups(seed: int) -> None:
    rng = np.random.default_rng(seed)
    values = {str(i): float(np.exp(rng.normal(2, 2))) for i in range(6)}
    alpha = 0.05

    def holds(name: str) -> bool:
        others = [other for other in values if other != name]
        groups = (group for size in range(6) for group in itertools.combinations(others, size))
        return all(np.mean([values[name], *(values[other] for other in group)]) >= 1 / alpha for group in groups)

    assert rejected(values, alpha) == {name for name in values if holds(name)}


def test_one_clear_winner_carries_a_second_that_is_good_enough() -> None:
    assert rejected({"a": 19.0}, 0.05) == frozenset()
    assert rejected({"a": 60.0, "b": 21.0, "c": 0.0}, 0.05) == {"a"}
    assert rejected({"a": 90.0, "b": 41.0, "c": 20.0}, 0.05) == {"a", "b", "c"}


def test_equal_models_looked_at_every_night_of_a_year_are_seldom_called_better() -> None:
    rng = np.random.default_rng(3)
    wrong = 0
    for _ in range(400):
        total = np.cumsum(rng.normal(0, S, 365))
        looks = range(6, 365)
        wrong += any(e_value(total[i], (i + 1) * S**2, 20 * S**2) >= 20 for i in looks)
    assert wrong / 400 <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / 400)
