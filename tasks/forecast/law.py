"""The law of watch time given a model's score and the video's duration, from rows that it was not trained on.

Source: docs/methods/forecast.md#the-law. Shapes: B rows, C cells, L label levels, P pairs.
"""

from dataclasses import dataclass

import numpy as np

from tasks.evaluate.metrics.inputs import Array, FloatArray, IntArray
from tasks.evaluate.metrics.pairwise import pair_label

DURATION_GROUPS = 10
SCORE_BINS = 50
ROWS_PER_CELL = 10
"""Fewer score bins where a duration group has fewer rows than these each. XAUC is linear in the law, so few rows bias nothing."""
PAIRS = 1 << 19
SEED = 0


@dataclass(frozen=True, eq=False)
class Law:
    """One empirical law of watch time per cell: a duration group, and a range of scores inside it.

    Attributes:
        duration_cuts: inner edges of the duration groups, seconds.
        score_cuts: per duration group, inner edges of its score bins.
        first_cell: per duration group, the number of its first cell.
        more_CC: chance that a label of the first cell lies above one of the second, in the unit of XAUC.
    """

    duration_cuts: FloatArray
    score_cuts: tuple[FloatArray, ...]
    first_cell: IntArray
    more_CC: FloatArray

    @classmethod
    def fit(cls, watch_B: FloatArray, score_B: FloatArray, duration_B: FloatArray) -> "Law":
        """Learn the law from labelled rows.

        Args:
            watch_B: watched seconds.
            score_B: the model's score.
            duration_B: seconds.
        """
        duration_cuts = _cuts(duration_B, DURATION_GROUPS)
        group_B = np.searchsorted(duration_cuts, duration_B, side="right")
        score_cuts = []
        for group in range(duration_cuts.size + 1):
            score_R = score_B[group_B == group]
            score_cuts.append(_cuts(score_R, max(1, min(SCORE_BINS, score_R.size // ROWS_PER_CELL))))
        sizes = np.array([cuts.size + 1 for cuts in score_cuts])
        first_cell = np.cumsum(sizes) - sizes
        cell_B = _cells(duration_cuts, tuple(score_cuts), first_cell, score_B, duration_B)
        num_cells = int(sizes.sum())
        levels_L, level_B = np.unique(pair_label(watch_B), return_inverse=True)
        count_CL = np.bincount(cell_B * levels_L.size + level_B, minlength=num_cells * levels_L.size)
        count_CL = count_CL.reshape(num_cells, levels_L.size)
        rows_C = np.maximum(count_CL.sum(axis=1), 1)
        below_CL = np.cumsum(count_CL, axis=1) - count_CL
        more_CC = count_CL @ below_CL.T / np.outer(rows_C, rows_C)  # whole numbers: no BLAS, no order of sums
        return cls(duration_cuts, tuple(score_cuts), first_cell, more_CC)

    def cells(self, score_B: FloatArray, duration_B: FloatArray) -> IntArray:
        """Return the cell of each row, labelled or not."""
        return _cells(self.duration_cuts, self.score_cuts, self.first_cell, score_B, duration_B)

    def xauc(self, score_B: FloatArray, duration_B: FloatArray, first_P: IntArray, second_P: IntArray) -> float:
        """Return the XAUC to be expected of rows whose labels are not known; NaN where no pair may differ.

        Args:
            score_B: the model's score.
            duration_B: seconds.
            first_P: numbers of the first rows of pairs.
            second_P: numbers of the second rows.
        """
        cell_B = self.cells(score_B, duration_B)
        more_P = self.more_CC[cell_B[first_P], cell_B[second_P]]
        less_P = self.more_CC[cell_B[second_P], cell_B[first_P]]
        order_P = np.sign(score_B[first_P] - score_B[second_P])
        differ = float((more_P + less_P).sum())
        balance = float((order_P * (more_P - less_P)).sum())
        return (1 + balance / differ) / 2 if differ else float("nan")


def seeded_pairs(num_rows: int, pairs: int = PAIRS) -> tuple[IntArray, IntArray]:
    """Return pairs of different rows drawn at random, the same for the same number of rows."""
    generator = np.random.default_rng(SEED)
    first_P = generator.integers(0, num_rows, pairs)
    second_P = (first_P + generator.integers(1, num_rows, pairs)) % num_rows
    return first_P, second_P


def _cuts(values_B: Array, parts: int) -> FloatArray:
    """Return the inner edges of about equal parts; fewer where values tie."""
    if not values_B.size or parts < 2:
        return np.empty(0)
    edges = np.quantile(values_B, np.arange(1, parts) / parts, method="nearest")
    cuts: FloatArray = np.unique(edges[edges > values_B.min()])
    return cuts


def _cells(
    duration_cuts: FloatArray,
    score_cuts: tuple[FloatArray, ...],
    first_cell: IntArray,
    score_B: FloatArray,
    duration_B: FloatArray,
) -> IntArray:
    group_B = np.searchsorted(duration_cuts, duration_B, side="right")
    cell_B = first_cell[group_B]
    for group, cuts in enumerate(score_cuts):
        rows = np.flatnonzero(group_B == group)
        cell_B[rows] += np.searchsorted(cuts, score_B[rows], side="right")
    return cell_B
