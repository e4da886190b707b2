"""Lists under other weights: the arithmetic against loops over users, and orders that are known."""

import numpy as np
import pytest

from tasks.core.errors import ConfigError
from tasks.evaluate.config import EvaluationConfig
from tasks.score.fusion.counterfactual import TwoOrders, checked_weights, list_changes, weighted_order

CONFIG = EvaluationConfig(replicates=200)
USERS, EACH = 50, 8


@pytest.fixture
def rows() -> dict[str, np.ndarray]:
    draw = np.random.default_rng(0)
    score = draw.normal(0, 1, USERS * EACH)
    return {
        "score": score,
        "p_like": draw.uniform(0, 0.1, USERS * EACH),
        "p_skip": draw.uniform(0, 1, USERS * EACH),
        "watch_mean": np.exp(score),
    }


def test_overlap_and_outcomes_are_those_of_loops_over_users(rows: dict[str, np.ndarray]) -> None:
    user_B, tie_B, k = np.repeat(np.arange(USERS), EACH), np.arange(USERS * EACH), 3
    then_B = weighted_order(rows, checked_weights({"like": 2.0, "skip": -1.0}, ["like", "skip"]))
    worth = {name: rows[name] for name in ("watch_mean", "p_like")}
    found = list_changes(user_B, tie_B, [worth], [TwoOrders(rows["score"], then_B)], k, CONFIG)
    shared, gained = [], []
    for user in range(USERS):
        mine = np.flatnonzero(user_B == user)
        now, then = (mine[np.argsort(-order[mine])][:k] for order in (rows["score"], then_B))
        shared.append(len(set(now) & set(then)) / k)
        gained.append(rows["p_like"][then].mean() - rows["p_like"][now].mean())
    assert found.overlap.value == pytest.approx(np.mean(shared))
    like = found.outcomes["p_like"].difference
    assert like.value == pytest.approx(np.mean(gained))
    assert like.standard_error == pytest.approx(np.std(gained, ddof=1) / np.sqrt(USERS), rel=0.2)
    assert like.low > 0 and found.outcomes["watch_mean"].difference.high < 0


def test_watch_time_alone_leaves_the_lists_of_the_score(rows: dict[str, np.ndarray]) -> None:
    user_B, tie_B = np.repeat(np.arange(USERS), EACH), np.arange(USERS * EACH)
    then_B = weighted_order(rows, checked_weights({"like": 0.0}, ["like"]))
    found = list_changes(
        user_B, tie_B, [{"watch_mean": rows["watch_mean"]}], [TwoOrders(rows["score"], then_B)], 3, CONFIG
    )
    assert found.overlap.value == 1
    difference = found.outcomes["watch_mean"].difference
    assert (difference.value, difference.low, difference.high) == (0, 0, 0)


def test_an_unwanted_objective_orders_by_what_is_least_of_it(rows: dict[str, np.ndarray]) -> None:
    order_B = weighted_order(rows, checked_weights({"watch_time": 0.0, "skip": -3.0}, ["skip"]))
    assert (np.argsort(-order_B) == np.argsort(rows["p_skip"])).all()


def test_a_list_shorter_than_k_is_the_same_in_any_order(rows: dict[str, np.ndarray]) -> None:
    user_B, tie_B = np.repeat(np.arange(USERS), EACH), np.arange(USERS * EACH)
    orders = TwoOrders(rows["score"], -rows["score"])
    found = list_changes(user_B, tie_B, [{"watch_mean": rows["watch_mean"]}], [orders], EACH + 1, CONFIG)
    assert found.overlap.value == 1


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ({"lik": 1.0}, "'lik' is no objective of these scores; did you mean 'like'"),
        ({"like": float("nan")}, "the weight of like is nan: write a number"),
        ({"watch_time": 0.0}, "every weight is 0: nothing would order the lists"),
    ],
)
def test_weights_that_say_nothing_are_refused(weights: dict[str, float], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        checked_weights(weights, ["like", "skip"])
