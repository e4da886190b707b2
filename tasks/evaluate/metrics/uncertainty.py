"""Intervals and paired comparisons with the user as the unit of sampling (docs/methods/metrics.md#uncertainty).

Additive statistics are resampled with multinomial user weights; the same weights serve both sides of a comparison.
Pooled XAUC and AUC use their influence function. Neither contains the variance between seeds.

Shapes: U users, R bootstrap replicates.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from tasks.evaluate.metrics.inputs import FloatArray
from tasks.evaluate.metrics.ratio import ratio
from tasks.evaluate.metrics.result import MetricResult
from tasks.evaluate.metrics.user_statistics import UserBinSums, UserInfluence, UserSums

Statistic = UserSums | UserBinSums | UserInfluence
Weights = NDArray[np.int16]


@dataclass(frozen=True)
class PairedDifference:
    """How much better the candidate's metric is than the champion's on the same rows.

    Attributes:
        delta: Candidate minus champion, or candidate over champion from `paired_ratio`.
        standard_error: Of delta, clustered by user.
        low: Lower end of the interval.
        high: Upper end of the interval.
    """

    delta: float
    standard_error: float
    low: float
    high: float


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


def interval(statistic: Statistic, weights_RU: Weights | None = None, level: float = 0.95) -> MetricResult:
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
        spread = _normal(statistic.value, standard_error(statistic.psi_U, statistic.num_groups), level)
    else:
        spread = _percentile(statistic.value, statistic.replicates(_needed(weights_RU)), level)
    point = statistic.result()
    return MetricResult(
        value=point.value,
        num_rows=point.num_rows,
        num_groups=point.num_groups,
        num_dropped=point.num_dropped,
        dropped_reason=point.dropped_reason,
        standard_error=spread.standard_error,
        low=spread.low,
        high=spread.high,
    )


def paired_difference(
    candidate: Statistic, champion: Statistic, weights_RU: Weights | None = None, level: float = 0.95
) -> PairedDifference:
    """Returns candidate minus champion of one metric on identical rows.

    Args:
        candidate: The challenger's statistic.
        champion: The champion's statistic of the same metric, rows and users.
        weights_RU: [R, U], as in `interval`.
        level: Coverage, in (0, 1).

    Raises:
        ValueError: If the two statistics are of different kinds or numbers of users or rows.
    """
    _check_pair(candidate, champion)
    delta = candidate.value - champion.value
    if isinstance(candidate, UserInfluence) and isinstance(champion, UserInfluence):
        return _normal(delta, standard_error(candidate.psi_U - champion.psi_U, candidate.num_groups), level)
    candidate_R, champion_R = _resampled(candidate, weights_RU), _resampled(champion, weights_RU)
    return _percentile(delta, candidate_R - champion_R, level)


def paired_ratio(candidate: UserSums, champion: UserSums, weights_RU: Weights, level: float = 0.95) -> PairedDifference:
    """Returns candidate over champion of one metric on identical rows, as the gate's RMSE guardrail needs it.

    Args:
        candidate: The challenger's statistic.
        champion: The champion's statistic; a champion of 0 gives NaN.
        weights_RU: [R, U], as in `interval`.
        level: Coverage, in (0, 1).

    Raises:
        ValueError: As `paired_difference`.
    """
    _check_pair(candidate, champion)
    value = ratio(np.array([candidate.value]), np.array([champion.value]))[0]
    return _percentile(float(value), ratio(candidate.replicates(weights_RU), champion.replicates(weights_RU)), level)


def _check_pair(candidate: Statistic, champion: Statistic) -> None:
    sizes = [(type(side).__name__, side.num_users, side.result().num_rows) for side in (candidate, champion)]
    if sizes[0] != sizes[1]:
        raise ValueError(f"a comparison needs one metric on identical rows, got (kind, users, rows) {sizes}")


def _resampled(statistic: Statistic, weights_RU: Weights | None) -> FloatArray:
    assert not isinstance(statistic, UserInfluence)
    return statistic.replicates(_needed(weights_RU))


def _needed(weights_RU: Weights | None) -> Weights:
    if weights_RU is None:
        raise ValueError("an additive statistic needs user_bootstrap_weights")
    return weights_RU


def _normal(value: float, error: float, level: float) -> PairedDifference:
    half_width = float(ndtri(0.5 + _checked(level) / 2)) * error
    return PairedDifference(value, error, value - half_width, value + half_width)


def _percentile(value: float, replicate_R: FloatArray, level: float) -> PairedDifference:
    tail = (1 - _checked(level)) / 2
    low, high = np.quantile(replicate_R, [tail, 1 - tail])
    return PairedDifference(value, float(replicate_R.std(ddof=1)), float(low), float(high))


def _checked(level: float) -> float:
    if not 0 < level < 1:
        raise ValueError(f"level is {level}, allowed is (0, 1)")
    return level
