"""No row meets a reward model that was fitted on it."""

import numpy as np
import pytest

from tasks.core.errors import ConfigError
from tasks.evaluate.metrics.groups import Groups, encode_groups
from tasks.evaluate.policy_value.cross_fit import Predictor, cross_fitted, fold_of_rows
from tasks.evaluate.policy_value.reward_models import action_means, ridge


def remembers(context_BF: np.ndarray, _action_B: np.ndarray, _reward_B: np.ndarray) -> Predictor:
    """A model that predicts 1 for every unit it was fitted on."""
    known = set(context_BF[:, 0].tolist())
    return lambda other_BF: np.array([[float(unit in known)] for unit in other_BF[:, 0].tolist()])


@pytest.mark.parametrize("folds", [3, 4, 5])
def test_a_model_never_sees_the_units_it_is_applied_to(folds: int) -> None:
    units = encode_groups(np.random.default_rng(0).integers(0, 40, 500))
    context = units.code_B[:, None].astype(float)
    fitted = cross_fitted(remembers, context, np.zeros(500, int), np.zeros(500), units, folds)
    assert fitted.shape == (500, 1)
    assert not fitted.any()


def test_folds_hold_whole_units_and_are_even() -> None:
    units = encode_groups(np.random.default_rng(1).integers(0, 41, 600))
    fold = fold_of_rows(units, 4, seed=3)
    by_unit = [np.unique(fold[units.code_B == unit]) for unit in range(41)]
    assert all(found.size == 1 for found in by_unit)
    sizes = np.bincount(np.concatenate(by_unit))
    assert (sizes.min(), sizes.max()) == (10, 11)
    with pytest.raises(ConfigError, match="2 randomised units cannot be dealt into 3 folds"):
        fold_of_rows(Groups(np.array([0, 1]), 5), 3, seed=0)


def test_action_means_are_pulled_towards_the_mean() -> None:
    action, reward = np.array([0, 0, 1]), np.array([1.0, 0.0, 1.0])
    predict = action_means(3, prior_rows=2)(np.zeros((3, 1)), action, reward)
    mean = 2 / 3
    expected = [(1 + 2 * mean) / 4, (1 + 2 * mean) / 3, mean]
    np.testing.assert_allclose(predict(np.zeros((2, 1))), [expected, expected])


def test_ridge_recovers_additive_effects_and_shrinks_to_the_mean() -> None:
    rng = np.random.default_rng(2)
    context, action = rng.normal(size=(4000, 2)), rng.integers(0, 3, 4000)
    reward = 1 + context @ [0.5, -0.2] + np.array([0.3, 0.0, -0.4])[action]
    predict = ridge(3, penalty=1e-9)(context, action, reward)
    other = np.array([[1.0, 2.0]])
    np.testing.assert_allclose(predict(other), [[1.1 + 0.3, 1.1, 1.1 - 0.4]], atol=1e-6)
    flat = ridge(3, penalty=1e9)(context, action, reward)(other)
    np.testing.assert_allclose(flat, np.full((1, 3), reward.mean()), atol=1e-4)
