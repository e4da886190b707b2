"""Scores without a sequence that a model must beat before it means anything.

Shape legend: I item codes, 0 among them.
"""

from collections.abc import Callable, Mapping

import numpy as np

from benchmarks.sequence.protocol.feedback import POSITIVE, SKIP, IntArray
from benchmarks.sequence.protocol.split import SequenceSplit
from tasks.evaluate.metrics.inputs import FloatArray

PSEUDO_COUNTS = 20.0


def popularity(data: SequenceSplit) -> FloatArray:
    """Return how many positives of each item are learned from, [I]."""
    return data.train_kind_I[:, POSITIVE].astype(np.float64)


def unskipped_rate(data: SequenceSplit) -> FloatArray:
    """Return minus each item's skip rate among all skips and positives that are learned from, [I]; shrunken."""
    return -_skip_rate(data.train_kind_I[:, SKIP], data.train_kind_I[:, POSITIVE])


def unskipped_before_positive(data: SequenceSplit) -> FloatArray:
    """Return the same from the rows that models see alone: positives and the skip directly before each, [I]."""
    lines = data.sequences
    place_T = np.arange(len(lines.item_T)) - np.repeat(lines.start_U, lines.count_U)
    learned_T = place_T < np.repeat(lines.train_U, lines.count_U)
    skips_I = np.bincount(lines.skip_T[learned_T], minlength=data.num_items + 1)
    skips_I[0] = 0
    return -_skip_rate(skips_I, np.bincount(lines.item_T[learned_T], minlength=data.num_items + 1))


FLOORS: Mapping[str, Callable[[SequenceSplit], FloatArray]] = {
    "item popularity": popularity,
    "item skip rate, rows the models see": unskipped_before_positive,
    "item skip rate, all rows": unskipped_rate,
}


def _skip_rate(skips_I: IntArray, positives_I: IntArray) -> FloatArray:
    """Return skips / (skips + positives), drawn to the overall rate by 20 pseudo-counts."""
    overall = skips_I.sum() / (skips_I.sum() + positives_I.sum())
    rate_I: FloatArray = (skips_I + PSEUDO_COUNTS * overall) / (skips_I + positives_I + PSEUDO_COUNTS)
    return rate_I
