"""A sum of inverse ranks: sum_t w_t / (rank_t + b) (docs/methods/multi_task.md#score-fusion)."""

from typing import Any, Literal, Self

from models.fusion.base import WATCH_TIME, Array, Scores, SearchedFusion, Signs, offset_at, weights_at
from models.fusion.rank_average import ReferenceScores

DEPTH = 100
"""Ranks run from 1 to this: where a row would stand among so many drawn from the reference day."""
_SMALLEST, _LARGEST = 1.0, 100.0


class RankAdditiveFusion(SearchedFusion):
    """Reciprocal-rank fusion with weights.

    The rank comes from the percentile on the reference day, never from the batch (our reading: 1 + (DEPTH - 1) times
    the share of the reference that does better). For an unwanted task a low probability ranks first.
    """

    kind: Literal["rank_additive"] = "rank_additive"
    smoothing: float
    """b; above 0. Small: the head of each ranking decides."""
    weights: dict[str, float]
    """w of every task; above 0."""
    references: dict[str, ReferenceScores]
    """Distribution of every task's score on the reference day."""

    @classmethod
    def at(cls, point: Array, signs: Signs, day: Scores, **options: Any) -> Self:
        """Return the rule at one point: weights, then b.

        Args:
            point: in the unit cube.
            signs: tasks.
            day: scores of the reference day.
            options: `references`, what `reference_curves` returns for `day`, so that a search fits them once.
        """
        references = options.get("references") or reference_curves(signs, day)
        smoothing = offset_at(float(point[-1]), _SMALLEST, _LARGEST)
        return cls(signs=dict(signs), smoothing=smoothing, weights=weights_at(point[:-1], signs), references=references)

    def term(self, task: str, sign: int, values: Array) -> Array:
        """Return w_t / (rank_t + b), [rows]."""
        percentile = self.references[task](values)
        better = 1.0 - percentile if sign > 0 else percentile
        inverse: Array = self.weights[task] / (1.0 + (DEPTH - 1) * better + self.smoothing)
        return inverse


def reference_curves(signs: Signs, day: Scores) -> dict[str, ReferenceScores]:
    """Return every task's distribution; those of probabilities reach from 0 to 1, so that no two of them tie."""
    return {task: _reference(day[task], bounded=task != WATCH_TIME) for task in signs}


def _reference(values: Array, *, bounded: bool) -> ReferenceScores:
    fitted = ReferenceScores.fit(values)
    if not bounded:
        return fitted
    x, y = list(fitted.score), list(fitted.percentile)
    if x[0] > 0:
        x, y = [0.0, *x], [0.0, *y]
    if x[-1] < 1:
        x, y = [*x, 1.0], [*y, 1.0]
    return ReferenceScores(score=tuple(x), percentile=tuple(y))
