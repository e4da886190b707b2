"""A reward model that is never applied to rows it was fitted on.

Shapes: B rows, A actions, F context features.
"""

from collections.abc import Callable

import numpy as np

from tasks.core.errors import ConfigError
from tasks.evaluate.metrics.groups import Groups
from tasks.evaluate.metrics.inputs import FloatArray, IntArray

Predictor = Callable[[FloatArray], FloatArray]
"""Contexts [B, F] -> expected reward of every action [B, A]."""
RewardModel = Callable[[FloatArray, IntArray, FloatArray], Predictor]
"""Fit on contexts [B, F], logged actions [B] and rewards [B]."""


def fold_of_rows(units: Groups, folds: int, seed: int) -> IntArray:
    """Return each row's fold; the rows of one unit share a fold, and folds differ by at most one unit.

    Raises:
        ConfigError: if there are fewer units than folds.
    """
    present = np.flatnonzero(units.rows())
    if present.size < folds:
        raise ConfigError(f"{present.size} randomised units cannot be dealt into {folds} folds")
    fold_U = np.zeros(units.num_groups, dtype=np.int64)
    fold_U[np.random.default_rng(seed).permutation(present)] = np.arange(present.size) % folds
    return fold_U[units.code_B]


def cross_fitted(
    model: RewardModel,
    context_BF: FloatArray,
    action_B: IntArray,
    reward_B: FloatArray,
    units: Groups,
    folds: int = 5,
    seed: int = 0,
) -> FloatArray:
    """Return q(x, a) of every row and action, each row's from a model fitted without its unit.

    Args:
        model: what is fitted on the rows of the other folds.
        context_BF: [B, F] contexts.
        action_B: [B] logged actions.
        reward_B: [B] rewards.
        units: randomised unit of each row.
        folds: 3 to 5.
        seed: of the folds.

    Returns:
        [B, A].

    Raises:
        ConfigError: if there are fewer units than folds.
    """
    fold_B = fold_of_rows(units, folds, seed)
    parts = []
    for fold in range(folds):
        rest = fold_B != fold
        parts.append(model(context_BF[rest], action_B[rest], reward_B[rest])(context_BF[~rest]))
    reward_BA = np.empty((reward_B.size, parts[0].shape[1]))
    for fold, part in enumerate(parts):
        reward_BA[fold_B == fold] = part
    return reward_BA
