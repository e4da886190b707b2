"""Concordant and comparable partners of every row, inside its group: the base of grouped XAUC and of influences.

Source: docs/methods/metrics.md#exact-pair-counts. Rows are split by one bit of the label at a time, highest first,
keeping the prediction order inside each part: any two rows with different labels part ways at exactly one bit, where
running counts of ones tell how many partners lie below, at and above a row's prediction. O(n log L) for L label levels,
whatever the tie structure.

Shapes: B rows, U users.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from tasks.evaluate.metrics.groups import Groups
from tasks.evaluate.metrics.inputs import Array, FloatArray, IntArray

ROWS_PER_BLOCK = 1 << 15  # whole groups are walked in blocks that stay in the processor's cache


@dataclass(frozen=True, eq=False)
class RowConcordance:
    """Per-row pair counts; every pair is seen from both of its rows.

    Attributes:
        concordant_B: [B] partners ordered alike by label and prediction, plus half of those tied in prediction only.
        comparable_B: [B] partners with another label.
    """

    concordant_B: FloatArray
    comparable_B: IntArray


def row_concordance(label_B: IntArray, prediction_B: FloatArray, groups: Groups) -> RowConcordance:
    """Returns the pair counts of every row against the other rows of its group.

    Args:
        label_B: [B] integer labels.
        prediction_B: [B] finite scores.
        groups: Group of each row; one group for pooled metrics.

    Raises:
        ValueError: If the columns have different lengths.
    """
    if not label_B.size == prediction_B.size == groups.code_B.size:
        raise ValueError(
            f"{label_B.size} labels, {prediction_B.size} predictions, {groups.code_B.size} grouped rows: not one table"
        )
    doubled_B = np.zeros(label_B.size, dtype=np.int64)
    comparable_B = np.zeros(label_B.size, dtype=np.int64)
    by_group_B = np.argsort(groups.code_B, kind="stable")
    code_B = groups.code_B[by_group_B]
    group_start = np.flatnonzero(np.diff(code_B, prepend=-1))
    wanted = np.arange(0, label_B.size, ROWS_PER_BLOCK)
    block_start = np.unique(group_start[np.searchsorted(group_start, wanted, side="right") - 1])
    for start, end in pairwise(np.append(block_start, label_B.size)):
        rows = by_group_B[start:end]
        doubled_B[rows], comparable_B[rows] = _block_counts(label_B[rows], prediction_B[rows], code_B[start:end])
    return RowConcordance(doubled_B / 2, comparable_B)


def _block_counts(label_B: IntArray, prediction_B: FloatArray, group_B: IntArray) -> tuple[IntArray, IntArray]:
    """Returns twice the concordant and the comparable partners of rows whose groups are complete and sorted."""
    # A wavelet-tree walk. Rows stand sorted by score inside their group; at every bit of the label, from the highest, the
    # rows with that bit 0 move before those with it 1. Two rows first part at the bit in which their labels first differ,
    # so counting zeros below and ones above at each bit counts every pair of unequal labels exactly once.
    place_B = np.lexsort((prediction_B, group_B))
    # Number of each run of equal scores: rows of one run are ties, whatever their labels.
    tie_B = np.empty(label_B.size, dtype=np.int64)
    tie_B[place_B] = np.cumsum(_runs(prediction_B[place_B])[2])
    label_B = np.unique(label_B, return_inverse=True)[1]
    num_bits = int(label_B.max()).bit_length()
    # The group stands above the label's bits, so no run below ever spans two groups.
    code_B = ((group_B - group_B[0]) << num_bits) | label_B
    doubled_B = np.zeros(label_B.size, dtype=np.int64)
    for bit in reversed(range(num_bits)):
        part_B = code_B.take(place_B) >> bit
        # A run of equal higher bits is a node of the tree: only its rows are still to be compared with each other.
        start_B, end_B, change_B = _runs(part_B >> 1)
        tie_start_B, tie_end_B, _ = _runs(tie_B.take(place_B), change_B)
        one_B = (part_B & 1).astype(bool)
        # Prefix counts of ones turn each question "how many before / within / after my ties" into two look-ups.
        ones_before = np.concatenate(([0], np.cumsum(one_B)))
        ones_start_B, ones_end_B = ones_before.take(start_B), ones_before.take(end_B)
        ones_to_tie_B, ones_through_tie_B = ones_before.take(tie_start_B), ones_before.take(tie_end_B)
        ones_tied_B = ones_through_tie_B - ones_to_tie_B
        zeros_tied_B = tie_end_B - tie_start_B - ones_tied_B
        zeros_below_B = tie_start_B - start_B - ones_to_tie_B + ones_start_B
        ones_above_B = ones_end_B - ones_through_tie_B
        # A one is right about zeros scored lower, a zero about ones scored higher; a tie is half right, hence doubled counts.
        doubled_B[place_B] += np.where(one_B, 2 * zeros_below_B + zeros_tied_B, 2 * ones_above_B + ones_tied_B)
        # Stable partition of the node: zeros keep their order at its start, ones theirs behind them.
        ones_left_B = ones_before[:-1] - ones_start_B
        first_one_B = end_B - (ones_end_B - ones_start_B)
        target_B = np.where(one_B, first_one_B + ones_left_B, np.arange(label_B.size) - ones_left_B)
        moved_B = np.empty_like(place_B)
        moved_B[target_B] = place_B
        place_B = moved_B
    # After the last bit equal labels stand together: they are not comparable with each other.
    start_B, end_B, _ = _runs(code_B[place_B])
    same_label_B = np.empty_like(place_B)
    same_label_B[place_B] = end_B - start_B
    group_start_B, group_end_B, _ = _runs(group_B)
    return doubled_B, group_end_B - group_start_B - same_label_B


def _runs(value_B: Array, change_B: Array | None = None) -> tuple[IntArray, IntArray, Array]:
    """Returns start, end and starting flag of each position's run of equal values, cut also where `change_B` is set."""
    starts_here_B = np.empty(value_B.size, dtype=bool)
    starts_here_B[:1] = True
    np.not_equal(value_B[1:], value_B[:-1], out=starts_here_B[1:])
    if change_B is not None:
        starts_here_B |= change_B
    start = np.flatnonzero(starts_here_B)
    end = np.append(start[1:], value_B.size)
    length = end - start
    return np.repeat(start, length), np.repeat(end, length), starts_here_B
