"""Intervals with the user as the unit of sampling (docs/methods/metrics.md#uncertainty).

Additive statistics are resampled with multinomial user weights; the same weights serve both sides of a comparison (`tasks.evaluate.estimate`).
Pooled XAUC and AUC use their influence function. Neither contains the variance between seeds.

Shapes: U users, R bootstrap replicates.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tasks.evaluate.metrics.inputs import FloatArray
from tasks.evaluate.metrics.user_statistics import UserBinSums, UserInfluence, UserSums

Statistic = UserSums | UserBinSums | UserInfluence
Weights = NDArray[np.int16]


@dataclass(frozen=True)
class Interval:
    """A number with what the sampling of users leaves unsure about it: a metric, or the difference of two.

    Attributes:
        value: the number; NaN where it is undefined.
        standard_error: clustered by user, without seed variance.
        low: lower end of the two-sided interval.
        high: upper end.
    """

    value: float
    standard_error: float
    low: float
    high: float

    @classmethod
    def normal(cls, value: float, error: float, level: float) -> "Interval":
        """Return value -+ z error.

        Raises:
            ValueError: if the level is out of (0, 1).
        """
        from scipy.special import ndtri  # half a second to load: for whoever measures, not for every reader

        half_width = float(ndtri(0.5 + _checked(level) / 2)) * error
        return cls(value, error, value - half_width, value + half_width)

    @classmethod
    def percentile(cls, value: float, replicate_R: FloatArray, level: float) -> "Interval":
        """Return the percentiles of resampled values; NaN where one of them is undefined.

        Raises:
            ValueError: if the level is out of (0, 1).
        """
        tail = (1 - _checked(level)) / 2
        low, high = np.quantile(replicate_R, [tail, 1 - tail])
        return cls(value, float(replicate_R.std(ddof=1)), float(low), float(high))


def user_bootstrap_weights(num_users: int, replicates: int = 1000, *, seed: int) -> Weights:
    """Returns how often each user is drawn in each resample of all users, with replacement.

    Args:
        num_users: U, at least 1. The result takes 2 * U * R bytes.
        replicates: R, at least 2.
        seed: Same seed, same weights.

    Returns:
        [R, U] counts; each row sums to U.

    Raises:
        ValueError: If there is nothing to resample.
    """
    if num_users < 1 or replicates < 2:
        raise ValueError(f"need at least 1 user and 2 replicates, got {num_users} and {replicates}")
    generator = np.random.default_rng(seed)
    weights_RU = np.empty((replicates, num_users), dtype=np.int16)
    for replicate_U in weights_RU:
        replicate_U[:] = np.bincount(generator.integers(0, num_users, num_users), minlength=num_users)
    return weights_RU


def standard_error(psi_U: FloatArray, num_groups: int) -> float:
    """Returns sqrt(U/(U-1) sum psi^2) of influences, or of the difference of two; NaN for fewer than 2 users.

    Args:
        psi_U: [U] influences.
        num_groups: Users with rows, which is the U of the formula.
    """
    if num_groups < 2:
        return float("nan")
    return float(np.sqrt(num_groups / (num_groups - 1) * np.square(psi_U).sum()))


def interval(statistic: Statistic, weights_RU: Weights | None = None, level: float = 0.95) -> Interval:
    """Returns a metric with its standard error and two-sided interval.

    Percentile interval of the resamples for additive statistics, normal interval for influences. An additive metric
    that is undefined in any resample (a handful of users) gets a NaN interval.

    Args:
        statistic: What a metric function returned.
        weights_RU: [R, U] from `user_bootstrap_weights`; not needed for a `UserInfluence`.
        level: Coverage, in (0, 1).

    Raises:
        ValueError: If weights are missing or for another number of users, or the level is out of range.
    """
    if isinstance(statistic, UserInfluence):
        error = standard_error(statistic.psi_U, statistic.num_groups)
        return Interval.normal(statistic.value, error, level)
    if weights_RU is None:
        raise ValueError("an additive statistic needs user_bootstrap_weights")
    return Interval.percentile(statistic.value, statistic.replicates(weights_RU), level)


def _checked(level: float) -> float:
    if not 0 < level < 1:
        raise ValueError(f"level is {level}, allowed is (0, 1)")
    return level
