"""A small seeded black-box search: the cross-entropy method in the unit cube, begun at random."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from models.fusion.base import Array

GENERATION = 20
ELITE = 5
SMOOTHING = 0.3
"""Share of the old mean and spread that is kept."""
LEAST_SPREAD = 0.02


@dataclass(frozen=True, eq=False)
class BestPoint:
    """The best point of a search.

    Attributes:
        point: in the unit cube.
        value: of the objective there.
        trials: points tried.
    """

    point: Array
    value: float
    trials: int


def search(objective: Callable[[Array], float], dimensions: int, trials: int, seed: int) -> BestPoint:
    """Maximise a function of the unit cube.

    The first point is the origin; the rest of the first generation is uniform, later ones are normal around the best
    points so far (clipped to the cube). The first of equal values wins, so equal seeds give equal results.

    Args:
        objective: what is maximised; a value that is not finite counts as the worst.
        dimensions: of the cube.
        trials: points to try, at least 1.
        seed: of the generator.
    """
    generator = np.random.default_rng(seed)
    points = [np.zeros(dimensions)]
    values = [_finite(objective(points[0]))]
    mean, spread = np.full(dimensions, 0.5), np.full(dimensions, 0.5)
    while len(points) < trials:
        size = min(GENERATION, trials - len(points))
        first = len(points) == 1
        drawn = generator.random((size, dimensions)) if first else generator.normal(mean, spread, (size, dimensions))
        for point in np.clip(drawn, 0, 1):
            points.append(point)
            values.append(_finite(objective(point)))
        best = np.stack([points[i] for i in np.argsort(-np.array(values), kind="stable")[:ELITE]])
        mean = SMOOTHING * mean + (1 - SMOOTHING) * best.mean(axis=0)
        spread = np.maximum(SMOOTHING * spread + (1 - SMOOTHING) * best.std(axis=0), LEAST_SPREAD)
    winner = int(np.argmax(values))
    return BestPoint(points[winner], values[winner], len(points))


def _finite(value: float) -> float:
    return value if np.isfinite(value) else -np.inf
