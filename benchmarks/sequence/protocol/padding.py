"""Lines of different length as one left-padded table.

Shape legend: B users, L steps, T positives.
"""

import numpy as np

from benchmarks.sequence.protocol.feedback import IntArray


def left_padded(value_T: IntArray, start_B: IntArray, length_B: IntArray, max_length: int) -> IntArray:
    """Return the last `max_length` of each line, oldest first, [B, L]; L is the longest of them, 0 stands for nothing.

    Args:
        value_T: all lines, one after the other; only read.
        start_B: where each line begins.
        length_B: its length.
        max_length: L at most.
    """
    width = int(min(length_B.max(initial=1), max_length))
    from_end_L = np.arange(width, 0, -1)
    place_BL = (start_B + length_B)[:, None] - from_end_L
    return np.where(from_end_L <= length_B[:, None], value_T[np.maximum(place_BL, 0)], 0)
