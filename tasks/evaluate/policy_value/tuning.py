"""Choose how far an estimator trades bias for variance, from the log alone.

The grids are ordered from the least to the most biased value. The choice reads the same rewards as the estimate; its
own uncertainty is in no interval.
"""

from collections.abc import Sequence

import numpy as np
from scipy.special import ndtri

from tasks.evaluate.metrics.user_statistics import UserSums


def sampling_error(sums: UserSums) -> float:
    """Return the standard error of a ratio of sums by its linearisation, clustered by unit.

    Args:
        sums: an estimate as sums per unit.
    """
    psi_U = (sums.numerator_U - sums.value * sums.denominator_U) / sums.denominator_U.sum()
    count = sums.num_groups
    return float(np.sqrt(count / (count - 1) * np.square(psi_U).sum())) if count > 1 else float("nan")


def by_mean_squared_error(candidates: Sequence[UserSums]) -> int:
    """Return the candidate of the smallest estimated variance + squared bias.

    The bias is estimated by the distance to the least biased candidate. The square of that distance exceeds the squared
    bias by the variance of the distance, in expectation: it is a bound on the mean (our reading of "squared bias
    bound"; bounds that hold with high probability are wider than rare clicks are frequent, and would always choose the
    unregularised estimator).

    Args:
        candidates: from the least to the most biased.
    """
    least_biased = candidates[0].value
    return int(np.argmin([sampling_error(found) ** 2 + (found.value - least_biased) ** 2 for found in candidates]))


def by_interval_overlap(candidates: Sequence[UserSums], level: float = 0.95) -> int:
    """Return the last candidate whose interval meets those of all earlier ones; the search ends at the first that fails.

    Args:
        candidates: from the least to the most biased.
        level: coverage of the normal intervals.
    """
    half = float(ndtri(0.5 + level / 2))
    lowest_high, highest_low = np.inf, -np.inf
    kept = 0
    for place, found in enumerate(candidates):
        reach = half * sampling_error(found)
        lowest_high, highest_low = min(lowest_high, found.value + reach), max(highest_low, found.value - reach)
        if highest_low > lowest_high:
            break
        kept = place
    return kept
