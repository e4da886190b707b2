"""What the nights of a reign say together: slots, first decision, increments."""

import datetime as dt
import math

import numpy as np
import pytest

from tasks.gate.config import GatePolicy
from tasks.gate.evidence import Increment, Reign, Step, weigh

POLICY = GatePolicy()
FIRST = dt.date(2022, 5, 1)


def increment(night: int, recipe: str, delta: float = 0.0, error: float = 0.0018) -> Increment:
    step = Step(delta=delta, standard_error=error)
    date = FIRST + dt.timedelta(days=night)
    return Increment(
        night=date, recipe_hash=recipe, against="champion", reference="e0", metrics={"xauc": step, "xgauc": step}
    )


def test_newcomers_have_a_share_of_their_own_and_all_shares_sum_to_the_error_of_a_reign() -> None:
    judged = [increment(0, "a"), increment(0, "b"), *(increment(1 + i, f"n{i}") for i in range(200))]
    found = weigh(Reign(increments=tuple(judged)), (), "champion", POLICY)
    assert [found[name].slot for name in ("a", "b", "n0")] == ["starting", "starting", "newcomer"]
    assert found["a"].threshold == pytest.approx(2 / 0.04)
    assert found["n1"].threshold == pytest.approx(math.pi**2 * 4 / 6 / 0.01)
    spent = sum(1 / evidence.threshold for evidence in found.values())
    assert 0.0498 < spent <= 0.05


def test_all_reigns_together_spend_no_more_than_one_where_the_error_is_that_of_a_lifetime() -> None:
    policy = GatePolicy(error_for="lifetime")
    errors = [Reign(number=number).error(policy) for number in range(1, 1000)]
    assert errors[0] == pytest.approx(0.025)
    assert sum(errors) == pytest.approx(0.05, rel=0.002)
    assert Reign(number=7).error(GatePolicy()) == 0.05
    (third,) = weigh(Reign(number=3), [increment(1, "a")], "champion", policy).values()
    (each,) = weigh(Reign(number=3), [increment(1, "a")], "champion", GatePolicy()).values()
    assert third.threshold == pytest.approx(12 * each.threshold)


def test_refits_of_the_champion_are_no_challengers() -> None:
    reign = Reign(increments=(increment(0, "champion"), increment(0, "a")))
    assert list(weigh(reign, (increment(1, "champion"),), "champion", POLICY)) == ["a"]


def test_tonight_counts_once_even_if_the_ledger_holds_it_already() -> None:
    reign = Reign(increments=(increment(0, "a", 0.01), increment(1, "a", 0.02)))
    found = weigh(reign, (increment(1, "a", 0.9),), "champion", POLICY)["a"]
    assert (found.nights, found.metrics[0].total) == (2, pytest.approx(0.03))


def test_differences_that_last_wait_for_the_twenty_eighth_night() -> None:
    lasting = [increment(i, "a", 0.004 + 0.002 * math.sin(i / 4)) for i in range(20)]
    noise = np.random.default_rng(3).normal(0.004, 0.002, 20)
    changing = [increment(i, "b", float(noise[i])) for i in range(20)]
    found = weigh(Reign(increments=(*lasting, *changing)), (), "champion", POLICY)
    assert found["a"].metrics[0].autocorrelation > 0.3 > found["b"].metrics[0].autocorrelation
    assert (found["a"].first_decision, found["b"].first_decision) == (28, 7)
    assert found["a"].superior, "the evidence is there, the night is not"
    assert found["a"].nights_needed == 28


def test_the_forecast_of_nights_is_the_night_that_decides() -> None:
    """Nights that go on as they did reach the threshold on the night that was named, and not the one before."""
    judged = [increment(i, "a", 0.002) for i in range(60)]
    reign = Reign(increments=tuple(judged[:7]))
    needed = weigh(reign, (), "champion", POLICY)["a"].nights_needed
    assert needed is not None
    assert 7 < needed < 60
    for nights, superior in ((needed - 1, False), (needed, True)):
        assert weigh(Reign(increments=tuple(judged[:nights])), (), "champion", POLICY)["a"].superior is superior
