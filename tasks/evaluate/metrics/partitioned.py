"""Pooled pair accuracy of a table of any size: exact, in memory that does not grow with it.

Source: docs/methods/metrics.md#exact-pair-counts and docs/methods/metrics.md#uncertainty.
Rows are walked by ranges of the prediction, equal predictions in one range. The partners of a row in lower and higher
ranges follow from the label counts of those ranges, the partners inside from `row_concordance`. All counts are whole
numbers, so the result does not depend on the ranges. Beside its inputs, what is held grows with the users, the label
levels and the rows of a range, not with the table.

Shapes: B rows, U users, L label levels, R rows of a range, S rows of a sample.
"""

from collections.abc import Iterator
from functools import reduce
from itertools import pairwise

import numpy as np

from tasks.evaluate.metrics.concordance import row_concordance
from tasks.evaluate.metrics.groups import Groups, one_group
from tasks.evaluate.metrics.inputs import Array, FloatArray, IntArray, finite
from tasks.evaluate.metrics.user_statistics import UserInfluence

ROWS_PER_RANGE = 1 << 18
_SAMPLE = 1 << 16


def pooled_influence(
    label_B: IntArray, prediction_B: FloatArray, users: Groups, rows_per_range: int = ROWS_PER_RANGE
) -> UserInfluence:
    """Returns the pooled pair accuracy with psi_u = (sum_u a - X sum_u b) / B (docs/methods/metrics.md#uncertainty, our derivation).

    Args:
        label_B: [B] integer labels.
        prediction_B: [B] finite scores.
        users: Group of each row.
        rows_per_range: About how many rows are worked on at a time; the result does not depend on it.

    Raises:
        ValueError: If the columns have different lengths.
    """
    num_rows = label_B.size
    if not num_rows == prediction_B.size == users.code_B.size:
        raise ValueError(
            f"{num_rows} labels, {prediction_B.size} predictions, {users.code_B.size} grouped rows: not one table"
        )
    doubled_U, comparable_U = np.zeros(users.num_groups), np.zeros(users.num_groups)
    levels_L, rows_L = _label_levels(label_B, rows_per_range)
    lower_L = np.zeros_like(rows_L)
    for low, high in _ranges(prediction_B, rows_per_range):
        inside_L = np.zeros_like(rows_L)
        single = high == np.nextafter(low, np.inf)
        for row_R in _rows_between(prediction_B, low, high, rows_per_range, together=not single):
            inside_L += np.bincount(np.searchsorted(levels_L, label_B[row_R]), minlength=rows_L.size)
        upper_L = rows_L - lower_L - inside_L
        outside_L = np.cumsum(lower_L) - lower_L + upper_L.sum() - np.cumsum(upper_L)
        for row_R in _rows_between(prediction_B, low, high, rows_per_range, together=not single):
            code_R = np.searchsorted(levels_L, label_B[row_R])
            if single:
                inside_R = inside_L.sum() - inside_L[code_R]
            else:
                concordance = row_concordance(code_R, prediction_B[row_R], one_group(row_R.size))
                inside_R = 2 * concordance.concordant_B
            of_range = users.subset(row_R)
            doubled_U += of_range.sum(inside_R + 2 * outside_L[code_R])
            comparable_U += of_range.sum(num_rows - rows_L[code_R])
        lower_L += inside_L
    seen_twice = comparable_U.sum()
    value, psi_U = float("nan"), np.full(users.num_groups, np.nan)
    if seen_twice:
        concordant_U = doubled_U / 2
        value = float(concordant_U.sum() / seen_twice)
        psi_U = (concordant_U - value * comparable_U) / (seen_twice / 2)
    return UserInfluence(value, psi_U, num_rows, int((users.rows() > 0).sum()))


def prediction_edges(sample_S: Array, num_ranges: int) -> FloatArray:
    """Returns increasing inner edges that split a sample of predictions into about equal ranges, each closed below.

    A prediction so frequent that it spans a whole range gets a range of its own.

    Args:
        sample_S: Predictions, any sample; only the balance depends on it, not the result.
        num_ranges: At least 1; fewer or a few more come out where predictions tie.

    Raises:
        ValueError: If the sample is empty or not finite, or no range is asked for.
    """
    sample_S = finite("prediction sample", sample_S)
    if num_ranges < 1 or not sample_S.size:
        raise ValueError(f"need a sample and at least 1 partition, got {sample_S.size} rows and {num_ranges}")
    edges = np.quantile(sample_S, np.arange(num_ranges + 1) / num_ranges, method="nearest")
    frequent = edges[1:][edges[1:] == edges[:-1]]
    inner = edges[1:-1] if num_ranges > 1 else edges[:0]
    return np.unique(np.concatenate([inner, frequent, np.nextafter(frequent, np.inf)]))


def _ranges(prediction_B: FloatArray, rows_per_range: int) -> Iterator[tuple[float, float]]:
    """Yields the ends of each range, the lower one inside; ascending, and together everything."""
    if prediction_B.size:
        sample_S = prediction_B[:: max(1, prediction_B.size // _SAMPLE)]
        edges = prediction_edges(sample_S, -(-prediction_B.size // rows_per_range))
        yield from pairwise(np.concatenate(([-np.inf], edges, [np.inf])))


def _rows_between(
    prediction_B: FloatArray, low: float, high: float, rows_per_block: int, together: bool
) -> Iterator[IntArray]:
    """Yields the numbers of the rows of a range: all together, or by blocks of the table."""
    found = []
    for start in range(0, prediction_B.size, rows_per_block):
        block_R = prediction_B[start : start + rows_per_block]
        row_R = start + np.flatnonzero((block_R >= low) & (block_R < high))
        if together:
            found.append(row_R)
        elif row_R.size:
            yield row_R
    if found and (rows_R := np.concatenate(found)).size:
        yield rows_R


def _label_levels(label_B: IntArray, rows_per_block: int) -> tuple[IntArray, IntArray]:
    """Returns the distinct labels, ascending, and the rows of each, [L]."""
    blocks = [label_B[start : start + rows_per_block] for start in range(0, label_B.size, rows_per_block)]
    levels_L: IntArray = reduce(np.union1d, blocks, np.empty(0, dtype=np.int64))
    rows_L = np.zeros(levels_L.size, dtype=np.int64)
    for block_R in blocks:
        rows_L += np.bincount(np.searchsorted(levels_L, block_R), minlength=levels_L.size)
    return levels_L, rows_L
