"""A product of powers: prod_t (a + b_t p_t)^g_t, with 1 - p_t where a task is unwanted.

Source: docs/methods/multi_task.md#score-fusion.
"""

from typing import Any, Literal, Self

import numpy as np

from models.fusion.base import WATCH_TIME, Array, Scores, SearchedFusion, Signs, offset_at, weights_at

_RAREST = 1e-6


class MultiplicativeFusion(SearchedFusion):
    """The logarithm of the product, summed task by task so that it neither under- nor overflows.

    Our reading: one offset for all tasks keeps the parameters few; b_t is 1 for watch time and unwanted tasks, and the
    inverse of the mean probability elsewhere, without which the factor of a rare task would be constant.
    """

    kind: Literal["multiplicative"] = "multiplicative"
    offset: float
    """a: above 0, so that a factor is never 0."""
    slopes: dict[str, float]
    """b of every task."""
    powers: dict[str, float]
    """g of every task; above 0."""

    @classmethod
    def at(cls, point: Array, signs: Signs, day: Scores, **options: Any) -> Self:
        """Return the rule at one point: powers, then the offset."""
        return cls(
            signs=dict(signs),
            offset=offset_at(float(point[-1])),
            slopes={task: _slope(task, sign, day[task]) for task, sign in signs.items()},
            powers=weights_at(point[:-1], signs),
        )

    def term(self, task: str, sign: int, values: Array) -> Array:
        """Return g_t log(a + b_t q_t), [rows]."""
        wanted = values if sign > 0 else 1.0 - values
        powered: Array = self.powers[task] * np.log(self.offset + self.slopes[task] * wanted)
        return powered


def _slope(task: str, sign: int, values: Array) -> float:
    if task == WATCH_TIME or sign < 0:
        return 1.0
    return 1.0 / max(float(values.mean()), _RAREST)
