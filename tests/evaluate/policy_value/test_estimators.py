"""The estimators against the identities that tie them together, and against a world whose true value is known."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy.stats import binom

from tasks.core.errors import ContractError
from tasks.evaluate.metrics.groups import Groups
from tasks.evaluate.metrics.uncertainty import interval, user_bootstrap_weights
from tasks.evaluate.policy_value import PolicyLog
from tasks.evaluate.policy_value.estimators import ESTIMATORS, shrunk, switched

Drawn = Callable[..., PolicyLog]
WRONG_MODEL = np.array([[0.5, 0.1, 0.2, 0.6], [0.2, 0.6, 0.5, 0.1]])
WRONG_LOGGING = np.array([[0.1, 0.2, 0.3, 0.4], [0.4, 0.3, 0.2, 0.1]])


def value(name: str, log: PolicyLog, parameter: float = np.inf) -> float:
    return ESTIMATORS[name](log, parameter).value


@pytest.mark.parametrize("name", ["ips", "snips", "ips_clipped", "snips_clipped"])
def test_the_logging_policy_itself_gets_the_sample_mean(name: str) -> None:
    rng = np.random.default_rng(0)
    reward, action = rng.random(50), rng.integers(0, 3, 50)
    policy = rng.dirichlet(np.ones(3), 50)
    log = PolicyLog.of(
        reward, action, policy[np.arange(50), action], policy, np.zeros((50, 3)), Groups(np.arange(50), 50)
    )
    assert value(name, log) == pytest.approx(reward.mean())


def test_without_a_model_dr_is_ips(drawn: Drawn) -> None:
    log = drawn(300, 1, model_XA=np.zeros((2, 4)))
    assert value("dr", log) == value("ips", log)
    assert value("dm", log) == 0


@pytest.mark.parametrize("name", ["switch_dr", "dr_os"])
def test_the_regularised_estimators_run_from_dr_to_dm(drawn: Drawn, name: str) -> None:
    log = drawn(300, 2)
    assert value(name, log, np.inf) == value("dr", log)
    assert value(name, log, 0.0) == pytest.approx(value("dm", log))
    assert value("dr_os", log, 1e12) == pytest.approx(value("dr", log))


def test_the_weights_that_are_used() -> None:
    weight = np.array([0.0, 1.0, 2.0, 10.0])
    np.testing.assert_allclose(shrunk(weight, 4.0), [0, 4 / 5, 8 / 8, 40 / 104])
    np.testing.assert_allclose(switched(weight, 2.0), [0, 1, 2, 0])


def test_a_log_by_hand() -> None:
    log = PolicyLog(
        reward_B=np.array([1.0, 0.0, 1.0]),
        weight_B=np.array([2.0, 0.5, 0.5]),
        units=Groups(np.arange(3), 3),
        fitted_B=np.array([0.5, 0.2, 0.2]),
        expected_B=np.array([0.3, 0.4, 0.6]),
    )
    assert value("ips", log) == pytest.approx(2.5 / 3)
    assert value("ips_clipped", log, 1.0) == pytest.approx(1.5 / 3)
    assert value("snips", log) == pytest.approx(2.5 / 3)
    assert value("snips_clipped", log, 1.0) == pytest.approx(1.5 / 2)
    assert value("dm", log) == pytest.approx(1.3 / 3)
    assert value("dr", log) == pytest.approx((1.3 + 1.0 - 0.1 + 0.4) / 3)
    assert value("switch_dr", log, 1.0) == pytest.approx((1.3 - 0.1 + 0.4) / 3)


def estimates(name: str, drawn: Drawn, logs: int = 300, **beliefs: Any) -> np.ndarray:
    return np.array([value(name, drawn(400, seed, **beliefs)) for seed in range(logs)])


@pytest.mark.parametrize(
    ("name", "beliefs"),
    [
        ("ips", {}),
        ("dr", {}),
        ("dr", {"model_XA": WRONG_MODEL}),
        ("dr", {"logging_XA": WRONG_LOGGING}),
        ("dm", {}),
    ],
)
def test_unbiased_over_many_logs(world: Any, drawn: Drawn, name: str, beliefs: dict[str, np.ndarray]) -> None:
    found = estimates(name, drawn, **beliefs)
    error = found.std(ddof=1) / np.sqrt(found.size)
    assert abs(found.mean() - world.value) < 3.5 * error


@pytest.mark.parametrize(
    ("name", "beliefs"),
    [
        ("ips", {"logging_XA": WRONG_LOGGING}),
        ("dm", {"model_XA": WRONG_MODEL}),
        ("dr", {"model_XA": WRONG_MODEL, "logging_XA": WRONG_LOGGING}),
    ],
)
def test_wrong_where_nothing_it_rests_on_is_right(
    world: Any, drawn: Drawn, name: str, beliefs: dict[str, np.ndarray]
) -> None:
    found = estimates(name, drawn, logs=100, **beliefs)
    assert abs(found.mean() - world.value) > 10 * found.std(ddof=1) / np.sqrt(found.size)


def test_the_model_lowers_the_variance(drawn: Drawn) -> None:
    assert estimates("dr", drawn, logs=100).std() < 0.9 * estimates("ips", drawn, logs=100).std()


@pytest.mark.parametrize("name", ["ips", "snips", "dr"])
def test_intervals_cover_the_truth_as_often_as_they_say(world: Any, drawn: Drawn, name: str) -> None:
    logs, rows = 300, 400
    weights = user_bootstrap_weights(rows, 300, seed=1)
    covered = 0
    for seed in range(logs):
        found = interval(ESTIMATORS[name](drawn(rows, 1000 + seed)), weights)
        assert found.low is not None
        assert found.high is not None
        covered += found.low <= world.value <= found.high
    low, high = binom.ppf([0.0005, 0.9995], logs, 0.94)
    assert low <= covered <= high


def test_a_log_that_cannot_be_is_refused() -> None:
    units = Groups(np.arange(2), 2)
    ones = np.ones(2)
    with pytest.raises(ContractError, match="one value per row"):
        PolicyLog(ones, np.ones(3), units, ones, ones)
    with pytest.raises(ContractError, match=r"outside \(0, 1\]"):
        PolicyLog.of(ones, np.zeros(2, int), np.array([0.5, 0.0]), np.eye(2), np.eye(2), units)
    with pytest.raises(ContractError, match="sum to 1"):
        PolicyLog.of(ones, np.zeros(2, int), np.array([0.5, 0.5]), np.eye(2) / 2, np.eye(2), units)
    with pytest.raises(ContractError, match="below 0"):
        PolicyLog(ones, -ones, units, ones, ones)
