"""Watch-time gain: how unusual a watch time is among train plays of the same duration (WTG).

Source: docs/methods/metrics.md#watch-time-gain-in-lists.

Shapes: B rows, D whole seconds of duration.
"""

from dataclasses import dataclass

import numpy as np

from tasks.evaluate.metrics.inputs import Array, FloatArray, finite_rows

MIN_ROWS = 20


@dataclass(frozen=True, eq=False)
class GainTable:
    """Mean and s.d. of the train watch time for each whole second of duration, 0 to D - 1.

    Attributes:
        mean_D: [D] s.
        sd_D: [D] population s.d., s, positive.
    """

    mean_D: FloatArray
    sd_D: FloatArray


def fit_gain_table(label_B: Array, duration_B: Array, min_rows: int = MIN_ROWS) -> GainTable:
    """Returns the table of *train* rows; a second with few rows pools its neighbours symmetrically until it has enough.

    Args:
        label_B: [B] train watch time, s.
        duration_B: [B] train duration, s, not negative; rounded to whole seconds.
        min_rows: Rows a second needs, with its neighbours.

    Raises:
        ValueError: If there are fewer rows than that, a duration is negative, or the labels are constant.
    """
    label_B, duration_B = finite_rows(label=label_B, duration=duration_B)
    if label_B.size < min_rows or duration_B.min() < 0 or label_B.min() == label_B.max():
        raise ValueError(
            f"need {min_rows} rows or more with durations >= 0 and varying labels, got {label_B.size} rows"
        )
    second_B = np.rint(duration_B).astype(np.int64)
    # Centred before squaring: E[y^2] - E[y]^2 of labels far from 0 would cancel.
    centre = label_B.mean()
    # Prefix sums of the moments by second: any window of seconds is then two look-ups.
    rows_D, sum_D, square_D = (
        np.concatenate(([0.0], np.cumsum(np.bincount(second_B, weights=moment_B))))
        for moment_B in (np.ones(label_B.size), label_B - centre, np.square(label_B - centre))
    )
    num_seconds = rows_D.size - 1
    mean_D, sd_D = np.full(num_seconds, np.nan), np.zeros(num_seconds)
    open_D = np.arange(num_seconds)
    for radius in range(num_seconds):
        # Only seconds that still lack rows widen their window, by one second to both sides at a time.
        low, high = np.maximum(open_D - radius, 0), np.minimum(open_D + radius + 1, num_seconds)
        num_rows = rows_D[high] - rows_D[low]
        mean = (sum_D[high] - sum_D[low]) / np.maximum(num_rows, 1)
        variance = (square_D[high] - square_D[low]) / np.maximum(num_rows, 1) - mean**2
        enough = (num_rows >= min_rows) & (variance > 1e-9)
        mean_D[open_D[enough]], sd_D[open_D[enough]] = mean[enough] + centre, np.sqrt(variance[enough])
        open_D = open_D[~enough]
        if not open_D.size:
            break
    return GainTable(mean_D, sd_D)


def watch_time_gain(label_B: Array, duration_B: Array, table: GainTable) -> FloatArray:
    """Returns z = (y - mu_d) / sd_d; durations beyond the train ones use the longest.

    Args:
        label_B: [B] watch time, s.
        duration_B: [B] duration, s, not negative.
        table: From train rows.

    Raises:
        ValueError: If a value is not finite, a duration negative or the lengths differ.
    """
    label_B, duration_B = finite_rows(label=label_B, duration=duration_B)
    if duration_B.size and duration_B.min() < 0:
        raise ValueError(f"duration {duration_B.min()} is negative")
    second_B = np.minimum(np.rint(duration_B).astype(np.int64), table.mean_D.size - 1)
    return (label_B - table.mean_D[second_B]) / table.sd_D[second_B]
