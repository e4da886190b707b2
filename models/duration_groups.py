"""Equal-frequency duration groups, the condition that removes duration from a label.

Shape legend: G duration groups.
"""

import numpy as np
from numpy.typing import NDArray


def duration_cuts(duration_s: NDArray[np.float64], num_groups: int) -> NDArray[np.float64]:
    """Cut train durations in groups of about equal size.

    A cut lies half-way between the longest duration of a group and the shortest of the next one, so that a duration
    that train never saw falls in the nearest group. Equal durations share a group; fewer groups come back where one
    duration fills several.

    Returns:
        Ascending cuts in seconds, [G - 1]; group = number of cuts below the duration.
    """
    distinct = np.unique(duration_s)
    levels = np.arange(1, num_groups) / num_groups
    longest = np.unique(np.quantile(duration_s, levels, method="inverted_cdf"))
    longest = longest[longest < distinct[-1]]
    following = distinct[np.searchsorted(distinct, longest, side="right")]
    cuts: NDArray[np.float64] = (longest + following) / 2
    return cuts
