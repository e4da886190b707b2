"""The rule labels, in integer milliseconds so that no rounding moves a row across a threshold.

Source: docs/methods/watch_time.md#labels.

Shapes: B rows.
"""

import numpy as np
from numpy.typing import NDArray

from tasks.evaluate.metrics.inputs import Array

BoolArray = NDArray[np.bool_]


def skip(play_ms_B: Array, duration_ms_B: Array) -> BoolArray:
    """Returns whether the video was left within 3 s and before its end: play < min(3000, duration).

    Args:
        play_ms_B: [B] integer play time, ms.
        duration_ms_B: [B] integer duration, ms.

    Raises:
        ValueError: If a column is not of an integer type (as in every rule of this file).
    """
    play_B, duration_B = _integer_ms(play_ms_B, duration_ms_B)
    return play_B < np.minimum(3000, duration_B)


def valid_play(play_ms_B: Array, duration_ms_B: Array) -> BoolArray:
    """Returns whether a short video (up to 7 s) was finished, or a longer one played for more than 7 s."""
    play_B, duration_B = _integer_ms(play_ms_B, duration_ms_B)
    return np.where(duration_B <= 7000, play_B >= duration_B, play_B > 7000)


def long_view(play_ms_B: Array, duration_ms_B: Array) -> BoolArray:
    """Returns whether a video of up to 18 s was finished, or a longer one played for at least 18 s.

    KuaiRand records this label; 392 of 164,286 slice rows differ from the rule, all of them recorded 1 and ruled 0.
    """
    play_B, duration_B = _integer_ms(play_ms_B, duration_ms_B)
    return np.where(duration_B <= 18000, play_B >= duration_B, play_B >= 18000)


def long_view2(watch_ms_B: Array, duration_ms_B: Array, q70_ms: float) -> BoolArray:
    """Returns CWM's long view: finished where the duration is within q70, else watched for longer than q70.

    Args:
        watch_ms_B: [B] integer watch time, min(play, duration), ms.
        duration_ms_B: [B] integer duration, ms.
        q70_ms: 70 % quantile of the *train* watch times, ms.
    """
    watch_B, duration_B = _integer_ms(watch_ms_B, duration_ms_B)
    return np.where(duration_B <= q70_ms, watch_B >= duration_B, watch_B > q70_ms)


def finish(play_ms_B: Array, duration_ms_B: Array) -> BoolArray:
    """Returns whether the video was played to its end: play >= duration."""
    play_B, duration_B = _integer_ms(play_ms_B, duration_ms_B)
    return play_B >= duration_B


def quick_skip(play_ms_B: Array, seconds: int) -> BoolArray:
    """Returns whether the play ended before `seconds` (2, 4 and 6 in EGMN), whatever the duration."""
    (play_B,) = _integer_ms(play_ms_B)
    return play_B < 1000 * seconds


def _integer_ms(*columns: Array) -> list[Array]:
    arrays = [np.asarray(column) for column in columns]
    for array in arrays:
        if not np.issubdtype(array.dtype, np.integer):
            raise ValueError(f"label rules need integer milliseconds, got {array.dtype}")
    return arrays
