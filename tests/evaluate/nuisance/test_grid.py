"""The augmented estimate by every pair of learners against its definition, a brute-force twin and known truth."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import expit

from tasks.core.errors import ContractError
from tasks.evaluate.metrics.groups import Groups
from tasks.evaluate.nuisance.config import NuisanceConfig
from tasks.evaluate.nuisance.grid import (
    Gated,
    PartlyObserved,
    Propensities,
    fit_outcomes,
    fit_propensities,
    gated,
    pseudo_risk,
)
from tasks.evaluate.policy_value.cross_fit import fold_of_rows
from tests.evaluate.nuisance.conftest import Drawn

LINEAR = NuisanceConfig(propensities=("logistic", "constant"), outcomes=("ridge", "constant"))


def estimate(rows: PartlyObserved, config: NuisanceConfig, seed: int = 0) -> Gated:
    return gated(rows, fit_propensities(rows, config, seed), fit_outcomes(rows, config, seed), config, seed)


def naive(rows: PartlyObserved) -> float:
    return float(rows.outcome_N[rows.observed_N].mean())


def test_both_targets_by_hand() -> None:
    """Three rows with an outcome, two without, users of their own; one learner of each kind in two copies."""
    rows = PartlyObserved(
        np.zeros((5, 1)), np.array([1, 1, 1, 0, 0], bool), np.array([4.0, 2.0, 6.0, np.nan, np.nan]), np.ones(5),
        Groups(np.arange(5), 5),
    )  # fmt: skip
    e, m = np.array([0.5, 0.25, 0.8, 0.5, 0.5]), np.array([3.0, 3.0, 5.0, 1.0, 2.0])
    known = Propensities(np.stack([e, e]), np.zeros(2))
    of_all = gated(rows, known, np.stack([m, m]), LINEAR, 0)
    assert of_all.sums.value == pytest.approx(np.mean([3 + 1 / 0.5, 3 - 1 / 0.25, 5 + 1 / 0.8, 1, 2]))
    of_others = gated(replace(rows, target="unobserved"), known, np.stack([m, m]), LINEAR, 0)
    assert of_others.sums.value == pytest.approx((1 + 2 + 1 * 1 - 1 * 3 + 1 * 0.25) / 2)
    together = (2 * of_others.sums.value + 4 + 2 + 6) / 5
    assert of_all.sums.value == pytest.approx(together), "all rows are those with an outcome and the others"
    assert of_all.swing == 0 and not of_all.risk_EM.any()


def test_the_pseudo_risk_is_the_worst_single_exchange() -> None:
    value_EM = np.random.default_rng(0).normal(size=(3, 4))
    for e, m in np.ndindex(3, 4):
        moves = [abs(value_EM[e, m] - value_EM[other, m]) for other in range(3)]
        moves += [abs(value_EM[e, m] - value_EM[e, other]) for other in range(4)]
        assert pseudo_risk(value_EM)[e, m] == max(moves)


@pytest.mark.parametrize(("wrong", "right"), [((), True), (("e",), True), (("m",), True), (("e", "m"), False)])
def test_one_right_nuisance_is_enough_and_two_wrong_ones_are_not(
    drawn: Drawn, truth: float, wrong: tuple[str, ...], right: bool
) -> None:
    rows = drawn(20_000, 1)
    first_N = rows.input_NF[:, 0]
    e = np.full(first_N.size, 0.45) if "e" in wrong else expit(-0.3 + 0.9 * first_N)
    m = np.full(first_N.size, naive(rows)) if "m" in wrong else truth + 1.5 * first_N
    found = gated(rows, Propensities(np.stack([e, e]), np.zeros(2)), np.stack([m, m]), LINEAR, 0)
    assert (abs(found.sums.value - truth) < 4 * found.standard_error) is right


def test_learners_that_know_nothing_are_avoided(drawn: Drawn, truth: float) -> None:
    rows = drawn(4000, 2)
    found = estimate(rows, LINEAR)
    assert found.chosen == ((0, 0), (0, 0))
    assert naive(rows) > truth + 0.4
    assert abs(found.sums.value - truth) < 3 * found.standard_error
    assert abs(found.value_EM[1, 1] - truth) > 6 * found.error_EM[1, 1], "the control: two that know nothing"
    assert found.risk_EM[0, 0] < 0.5 * found.risk_EM[1, 1]
    assert found.refusal(100) == ""


@pytest.mark.slow
def test_an_estimate_that_hinges_on_one_learner_is_refused(drawn: Drawn, truth: float) -> None:
    """Exposure and outcome bend together. One learner that sees it is not enough to count; one of each kind is."""
    rows = drawn(6000, 3, bend=0.8)
    one = NuisanceConfig(propensities=("logistic", "boosting"), outcomes=("ridge", "constant"))
    hinges = estimate(rows, one)
    assert hinges.swing > hinges.bound
    assert hinges.refusal(100).startswith(f"with {hinges.moved_by} it moves by ")
    assert hinges.moved_by in ("propensities of logistic", "propensities of boosting")
    both = estimate(rows, one.model_copy(update={"outcomes": ("ridge", "boosting")}))
    assert both.refusal(100) == "" and both.chosen == ((1, 1), (1, 1))
    assert abs(both.sums.value - truth) < 3 * both.standard_error
    assert abs(both.value_EM[0, 0] - truth) > 5 * both.error_EM[0, 0], "the control: two linear learners"


def test_learners_that_are_blind_alike_pass(drawn: Drawn, truth: float) -> None:
    """What the gate cannot see: nothing disagrees, and the estimate is off."""
    blind = estimate(drawn(8000, 3, bend=0.8), LINEAR)
    assert blind.refusal(100) == ""
    assert abs(blind.sums.value - truth) > 5 * blind.standard_error


def test_few_effective_rows_refuse(drawn: Drawn) -> None:
    assert "effective rows are fewer than 1e+06" in estimate(drawn(1000, 0), LINEAR).refusal(10**6)


def test_intervals_hold_the_truth_as_often_as_they_say(drawn: Drawn, truth: float) -> None:
    """Of 120 draws; without clustering by user, errors would be too small by a tenth (`benchmarks.debias nuisance` has thousands)."""
    found = [estimate(drawn(600, seed), LINEAR) for seed in range(120)]
    held = np.mean([abs(of.sums.value - truth) < 1.96 * of.standard_error for of in found])
    assert 0.9 <= held <= 0.99
    errors = [abs(of.sums.value - truth) for of in found]
    median_pair = [np.median(np.abs(of.value_EM - truth)) for of in found]
    assert np.mean(np.array(errors) < median_pair) > 0.5
    biased = [abs(of.value_EM[1, 1] - truth) < 1.96 * of.error_EM[1, 1] for of in found]
    assert np.mean(biased) < 0.3, "the control: two learners that know nothing"


def test_no_outcome_chooses_the_pair_that_it_is_averaged_under(drawn: Drawn) -> None:
    """With outcomes of one half turned upside down, the pair read on that half stays, and the other half chooses anew."""
    rows = drawn(1000, 4)
    known, expected_MN = fit_propensities(rows, LINEAR, 0), fit_outcomes(rows, LINEAR, 0)
    first_N = fold_of_rows(rows.units, 2, 0) == 0
    turned = replace(rows, outcome_N=np.where(first_N, 6 - 4 * rows.outcome_N, rows.outcome_N))
    before, after = (gated(of, known, expected_MN, LINEAR, 0) for of in (rows, turned))
    assert after.chosen[0] == before.chosen[0]
    assert after.chosen[1] != before.chosen[1]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"observed_N": np.ones(10, bool)}, "of 10 rows 10 have one"),
        ({"observed_N": np.zeros(10, bool)}, "of 10 rows 0 have one"),
        ({"weight_N": np.zeros(10)}, "stand for 0 rows or fewer, least 0.0"),
        ({"weight_N": np.ones(9)}, "one value per row"),
        ({"outcome_N": np.full(10, np.nan)}, "not finite"),
        ({"input_NF": np.full((10, 1), np.inf)}, "not finite"),
    ],
)
def test_rows_that_say_nothing_are_refused(change: dict[str, np.ndarray], message: str) -> None:
    good = {
        "input_NF": np.zeros((10, 1)),
        "observed_N": np.arange(10) < 5,
        "outcome_N": np.ones(10),
        "weight_N": np.ones(10),
    }
    with pytest.raises(ContractError, match=message):
        PartlyObserved(**{**good, **change}, units=Groups(np.arange(10), 10))
