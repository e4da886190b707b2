"""How much one day was watched, against the days around it."""

import numpy as np

from models.calibration.curve import Array


def pooled_level(watch_s: Array, duration_s: Array, day_watch_s: Array, day_duration_s: Array, edges: Array) -> float:
    """Return the factor from one day's level of watch time to the mean level of it and the days before.

    Each row of the day is given the mean watch time of its duration group over all days; the factor is the sum of these
    over what the day really was watched, so that a day with longer videos is not taken for a day of longer watching.

    Source: our reading. Where days differ by chance, or by what passes in a day, the mean of several foretells the next
    one better than the last one does; where watch time drifts, the last one does.

    Args:
        watch_s: seconds, of the days before, [rows].
        duration_s: seconds, of the days before, [rows].
        day_watch_s: seconds, of the day, [day's rows].
        day_duration_s: seconds, of the day, [day's rows].
        edges: inner edges of the duration groups, seconds.

    Returns:
        A positive factor; 1 where there is no watch time to compare.
    """
    group, day_group = (np.searchsorted(edges, seconds, side="right") for seconds in (duration_s, day_duration_s))
    every = np.concatenate([group, day_group])
    total = np.bincount(every, np.concatenate([watch_s, day_watch_s]))
    mean = total / np.maximum(np.bincount(every), 1)
    expected, watched = float(mean[day_group].sum()), float(day_watch_s.sum())
    return expected / watched if expected and watched else 1.0
