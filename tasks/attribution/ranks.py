"""Ranks of fields from their scores, and how far two orders agree."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def ranks(scores: Floats, names: Sequence[str]) -> tuple[int, ...]:
    """Return 1 for the field with the highest score, and so on; equal scores are ordered by name."""
    order = sorted(range(len(names)), key=lambda i: (-scores[i], names[i]))
    found = np.empty(len(names), dtype=np.int64)
    found[order] = np.arange(1, len(names) + 1)
    return tuple(found.tolist())


def agreement(first: Floats, second: Floats) -> float:
    """Return Spearman's rank correlation, ties at their mean rank; NaN where either is constant.

    Args:
        first: one value per field.
        second: of the same fields.
    """
    a, b = _mid_ranks(first), _mid_ranks(second)
    a, b = a - a.mean(), b - b.mean()
    with np.errstate(invalid="ignore", divide="ignore"):
        return float((a @ b) / np.sqrt((a @ a) * (b @ b)))


def _mid_ranks(values: Floats) -> Floats:
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    middle: Floats = np.cumsum(counts) - (counts - 1) / 2
    return middle[inverse]
