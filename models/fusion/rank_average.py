"""Scores on one footing: percentiles in a fixed reference, and their average.

Source: docs/methods/watch_time.md#rank-average. The reference is the validation day, never the batch, so that the score
of one request does not depend on what else is scored with it.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

Array = NDArray[np.float64]

MAX_KNOTS = 1_024


class ReferenceScores(BaseModel):
    """The distribution of one score on the reference day, as a non-decreasing curve from score to percentile.

    Linear between its knots, so the order of scores between two knots is kept; constant outside them.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    score: tuple[float, ...]
    """Knots."""
    percentile: tuple[float, ...]
    """Share of the reference below each knot, plus half of what equals it, in [0, 1]."""

    @classmethod
    def fit(cls, score: Array) -> "ReferenceScores":
        """Take at most 1,024 knots of the mid-rank distribution function, the ends among them.

        Args:
            score: [rows] of the reference day.

        Raises:
            ValueError: if there is no row.
        """
        if not len(score):
            raise ValueError("a reference distribution needs at least one score")
        value, counts = np.unique(score, return_counts=True)
        middle = (np.cumsum(counts) - counts / 2) / len(score)
        kept = np.unique(np.linspace(0, len(value) - 1, min(len(value), MAX_KNOTS)).round().astype(np.int64))
        return cls(score=tuple(value[kept].tolist()), percentile=tuple(middle[kept].tolist()))

    def __call__(self, score: Array) -> Array:
        """Return percentiles, [rows]."""
        return np.interp(score, self.score, self.percentile)


def rank_average(percentiles: Sequence[Array]) -> Array:
    """Return the mean of several scores' percentiles, [rows]; every score counts alike."""
    return np.mean(np.stack(percentiles), axis=0)  # type: ignore[no-any-return]
