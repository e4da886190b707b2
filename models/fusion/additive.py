"""A weighted sum of scores, or of their logarithms (docs/methods/multi_task.md#score-fusion)."""

from typing import Any, Literal, Self

import numpy as np

from models.fusion.base import Array, Scores, SearchedFusion, Signs, offset_at, weights_at


class AdditiveFusion(SearchedFusion):
    """sum_t s_t w_t f(p_t) / scale_t, with f the identity or log(a + p).

    The scale is the standard deviation of f(p_t) on the day of the search (our reading), so that weights compare.
    """

    kind: Literal["additive"] = "additive"
    space: Literal["linear", "log"]
    """Whether probabilities or their logarithms are summed."""
    offset: float
    """a of the logarithm; above 0."""
    weights: dict[str, float]
    """w of every task; above 0."""
    scales: dict[str, float]
    """Scale of every task; above 0."""

    @classmethod
    def at(cls, point: Array, signs: Signs, day: Scores, **options: Any) -> Self:
        """Return the rule at one point: weights, then the offset, which the linear rule ignores.

        Args:
            point: in the unit cube.
            signs: tasks.
            day: scores that give the scales.
            options: `space`.
        """
        space, offset = options["space"], offset_at(float(point[-1]))
        shaped = {task: _shape(day[task], space, offset) for task in signs}
        return cls(
            signs=dict(signs),
            space=space,
            offset=offset,
            weights=weights_at(point[:-1], signs),
            scales={task: float(values.std()) or 1.0 for task, values in shaped.items()},
        )

    def term(self, task: str, sign: int, values: Array) -> Array:
        """Return s_t w_t f(p_t) / scale_t, [rows]."""
        factor = sign * self.weights[task] / self.scales[task]
        return factor * _shape(values, self.space, self.offset)


def _shape(values: Array, space: str, offset: float) -> Array:
    return values if space == "linear" else np.log(offset + values)
