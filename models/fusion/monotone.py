"""A learned fusion: a sum of increasing curves, one per task, fitted to what a row is worth.

Source: docs/methods/multi_task.md#learned-monotone-fusion; the model is ours. A list's utility is a sum over its rows,
so the list with the highest expected utility ranks rows by their expected worth, which a regression estimates.
Increasing curves keep the promise of every fusion: more of what is wanted never ranks lower.
"""

from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray

from models.calibration.curve import Curve
from models.fusion.base import WATCH_TIME, Array, Fusion, Scores, Signs

PIECES = 6
"""Pieces of each curve, between quantiles of the day it is fitted on."""
LEAST_RISE = 1e-6
"""Rise of the flattest piece, in standard deviations of the worth: strictly increasing, and no more."""


class MonotoneFusion(Fusion):
    """sum_t s_t c_t(p_t) with strictly increasing c_t."""

    kind: Literal["monotone"] = "monotone"
    curves: dict[str, Curve]
    """c of every task, strictly increasing; knots of probabilities reach from 0 to 1."""

    @classmethod
    def fit(cls, signs: Signs, day: Scores, worth: Array, user: NDArray[np.int64]) -> Self:
        """Fit all curves by non-negative least squares on differences within users: only those rank.

        Args:
            signs: tasks.
            day: their scores, [rows].
            worth: what showing the row was worth, [rows].
            user: code 0 .. U-1 of each row's user.
        """
        from scipy.optimize import nnls  # half a second to load: for who fits one, not for who serves by it

        knots = {task: _knots(day[task], bounded=task != WATCH_TIME) for task in signs}
        pieces = [sign * _pieces(day[task], knots[task]) for task, sign in signs.items()]
        columns = np.concatenate(pieces, axis=1)
        rises, _ = nnls(_within(columns, user), _within(worth[:, None], user)[:, 0])
        rises = np.maximum(rises, LEAST_RISE * (float(worth.std()) or 1.0))
        ends = np.cumsum([len(knots[task]) - 1 for task in signs])[:-1]
        curves = {
            task: Curve(x=tuple(knots[task].tolist()), y=(0.0, *np.cumsum(part).tolist()))
            for task, part in zip(signs, np.split(rises, ends), strict=True)
        }
        return cls(signs=dict(signs), curves=curves)

    def term(self, task: str, sign: int, values: Array) -> Array:
        """Return s_t c_t(p_t), [rows]."""
        return sign * self.curves[task](values)


def _knots(values: Array, *, bounded: bool) -> Array:
    inner = np.quantile(values, np.linspace(0, 1, PIECES + 1))
    ends = (0.0, 1.0) if bounded else (float(inner[0]), float(inner[-1]))
    knots = np.unique(np.concatenate([np.clip(inner[1:-1], *ends), ends]))
    return knots if len(knots) > 1 else np.array([knots[0], knots[0] + 1.0])


def _pieces(values: Array, knots: Array) -> Array:
    """Return how far each piece is climbed, [rows, pieces] in [0, 1]."""
    climbed: Array = np.clip((values[:, None] - knots[:-1]) / np.diff(knots), 0.0, 1.0)
    return climbed


def _within(columns: Array, user: NDArray[np.int64]) -> Array:
    """Return columns less their means over each user's rows."""
    count = np.maximum(np.bincount(user), 1)
    means = np.stack([np.bincount(user, column) / count for column in columns.T], axis=1)
    centred: Array = columns - means[user]
    return centred
