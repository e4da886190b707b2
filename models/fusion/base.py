"""What every fusion of objectives is: a fixed function of one row's scores, increasing in what is wanted.

A fused score ranks; only its order means something. It is a function of the row alone, so it cannot depend on the batch.
Learned fusions (docs/methods/multi_task.md#learned-monotone-fusion names Pantheon, EMER and UMRE) fit the same
interface: a dict of scores in, one score out.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

Array = NDArray[np.float64]
Scores = Mapping[str, Array]
"""Task -> scores [rows]: probabilities, and for watch time a percentile or a mean relative to the duration group's."""
Signs = Mapping[str, Literal[-1, 1]]
"""Task -> whether it raises (1) or lowers (-1) the fused score, in the order of the parameters."""

WATCH_TIME = "watch_time"
MAX_PARAMETERS = 8
"""A search on one day's lists carries no more (docs/methods/multi_task.md#score-fusion)."""
LOWEST_WEIGHT, HIGHEST_WEIGHT = 1e-3, 10.0
"""Range of the weight of a task beside watch time, whose own is 1."""
LOWEST_OFFSET, HIGHEST_OFFSET = 1e-3, 1.0


class Fusion(BaseModel, ABC):
    """One rule with its parameters: a sum of one term per task."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    signs: dict[str, Literal[-1, 1]]
    """Task -> whether it raises or lowers the score. Terms are summed in the order of names, so that a copy that went
    through JSON, which sorts keys, gives the same bits."""

    def __call__(self, scores: Scores) -> Array:
        """Return fused scores, [rows]; finite for scores in [0, 1].

        Args:
            scores: of every task in `signs`, [rows] each; others are ignored.
        """
        total = np.zeros(len(next(iter(scores.values()))))
        for task, sign in sorted(self.signs.items()):
            total += self.term(task, sign, scores[task])
        return total

    @abstractmethod
    def term(self, task: str, sign: int, values: Array) -> Array:
        """Return what one task adds, [rows]: increasing in its scores if the sign is 1, decreasing if it is -1."""


class SearchedFusion(Fusion):
    """A rule whose few parameters are searched for."""

    @classmethod
    def num_parameters(cls, tasks: int) -> int:
        """Return how many parameters the rule has for so many tasks, watch time among them.

        One weight per task beside watch time, and one number that says how sharply scores count.
        """
        return tasks

    @classmethod
    @abstractmethod
    def at(cls, point: Array, signs: Signs, day: Scores, **options: Any) -> Self:
        """Return the rule at one point of the search.

        Args:
            point: in the unit cube, [num_parameters]; at the origin the other tasks weigh least beside watch time.
            signs: tasks, watch time among them.
            day: scores of the day it is fitted on, for scales and distributions.
            options: choices of the configuration that are not searched.
        """


def weights_at(point: Array, signs: Signs) -> dict[str, float]:
    """Return the weight of every task, 1 for watch time: logarithmic in the point's coordinates, one per other task."""
    others = [task for task in signs if task != WATCH_TIME]
    values = _logarithmic(point, LOWEST_WEIGHT, HIGHEST_WEIGHT)
    return {WATCH_TIME: 1.0, **dict(zip(others, values.tolist(), strict=True))}


def offset_at(coordinate: float, lowest: float = LOWEST_OFFSET, highest: float = HIGHEST_OFFSET) -> float:
    """Return an offset, logarithmic in its coordinate; the largest, which bends least, at 0."""
    return float(_logarithmic(np.array([1.0 - coordinate]), lowest, highest)[0])


def _logarithmic(point: Array, lowest: float, highest: float) -> Array:
    scaled: Array = lowest * (highest / lowest) ** np.clip(point, 0, 1)
    return scaled
