"""A metric averaged over seeds with what is known about its uncertainty, and the paired difference of two.

Sampling of users and variance between fits are kept apart: the interval holds the first, `seed_sd` the second.

Shapes: U users, R bootstrap replicates.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np

from tasks.evaluate.metrics.inputs import FloatArray
from tasks.evaluate.metrics.result import MetricResult
from tasks.evaluate.metrics.uncertainty import Interval, standard_error


@dataclass(frozen=True, eq=False)
class Draw:
    """One metric of one seed, ready to be averaged over seeds and compared.

    Attributes:
        result: value and counts.
        replicate_R: [R] bootstrap values of an additive metric.
        psi_U: [U] user influences of a pooled pair metric; exactly one of the two is given.
    """

    result: MetricResult
    replicate_R: FloatArray | None
    psi_U: FloatArray | None

    def __post_init__(self) -> None:
        assert (self.replicate_R is None) != (self.psi_U is None)


@dataclass(frozen=True)
class Estimate(Interval):
    """A metric as it is reported: the mean over seeds, its interval from the sampling of users alone.

    Attributes:
        seed_sd: standard deviation over seeds (n - 1); NaN with one seed.
        per_seed: value of each seed.
        rows: rows used.
        groups: groups used.
        dropped: groups (or rows, as `reason` says) left out.
        reason: why.
    """

    seed_sd: float
    per_seed: tuple[float, ...]
    rows: int
    groups: int
    dropped: int
    reason: str


def average(draws: Sequence[Draw], level: float) -> Estimate:
    """Return the mean over seeds of one metric.

    Args:
        draws: one per seed, all of the same metric and rows.
        level: coverage of the interval.
    """
    values = [draw.result.value for draw in draws]
    first = draws[0].result
    mean = _interval(float(np.mean(values)), _sampling(draws), draws[0], level)
    return Estimate(
        **asdict(mean),
        seed_sd=seed_sd(values),
        per_seed=tuple(values),
        rows=first.num_rows,
        groups=first.num_groups,
        dropped=first.num_dropped,
        reason=first.dropped_reason,
    )


def difference(candidate: Sequence[Draw], reference: Sequence[Draw], level: float) -> Interval:
    """Return candidate - reference of the means over seeds, paired by user.

    Raises:
        ValueError: if the two are not one metric on identical rows.
    """
    _check_pair(candidate[0], reference[0])
    delta = _mean_value(candidate) - _mean_value(reference)
    return _interval(delta, _sampling(candidate) - _sampling(reference), candidate[0], level)


def change(later: Sequence[Draw], earlier: Sequence[Draw], num_users: int, level: float) -> Interval:
    """Return later - earlier of the means over seeds of one metric, on rows that may differ, drawn with one set of users.

    Args:
        later: one per seed.
        earlier: one per seed.
        num_users: users that have rows of either.
        level: coverage of the interval.

    Raises:
        ValueError: if the two were not drawn from the same users.
    """
    sampled = [_sampling(later), _sampling(earlier)]
    if sampled[0].shape != sampled[1].shape or (later[0].psi_U is None) != (earlier[0].psi_U is None):
        raise ValueError(f"a change needs one metric of the same users, got {sampled[0].shape} and {sampled[1].shape}")
    delta, spread = _mean_value(later) - _mean_value(earlier), sampled[0] - sampled[1]
    if later[0].psi_U is None:
        return Interval.percentile(delta, spread, level)
    return Interval.normal(delta, standard_error(spread, num_users), level)


def relative_difference(candidate: Sequence[Draw], reference: Sequence[Draw], level: float) -> Interval:
    """Return candidate / reference - 1 of the means over seeds of an additive metric.

    Raises:
        ValueError: if the two are not one metric on identical rows.
    """
    _check_pair(candidate[0], reference[0])
    assert candidate[0].psi_U is None
    value = _relative(np.array([_mean_value(candidate)]), np.array([_mean_value(reference)]))[0]
    return Interval.percentile(float(value), _relative(_sampling(candidate), _sampling(reference)), level)


def seed_sd(values: Sequence[float]) -> float:
    """Return the standard deviation over seeds (n - 1); NaN with one seed."""
    return float(np.std(values, ddof=1)) if len(values) > 1 else float("nan")


def _interval(value: float, sampled: FloatArray, kind: Draw, level: float) -> Interval:
    """Return the interval of a number whose resampled values, or user influences, are given."""
    if kind.psi_U is None:
        return Interval.percentile(value, sampled, level)
    return Interval.normal(value, standard_error(sampled, kind.result.num_groups), level)


def _check_pair(candidate: Draw, reference: Draw) -> None:
    def size(draw: Draw) -> tuple[str, int, int]:
        kind, sampled = ("resamples", draw.replicate_R) if draw.psi_U is None else ("influences", draw.psi_U)
        return kind, 0 if sampled is None else sampled.size, draw.result.num_rows

    sizes = [size(candidate), size(reference)]
    if sizes[0] != sizes[1]:
        raise ValueError(f"a comparison needs one metric on identical rows, got (kind, size, rows) {sizes}")


def _mean_value(draws: Sequence[Draw]) -> float:
    return float(np.mean([draw.result.value for draw in draws]))


def _sampling(draws: Sequence[Draw]) -> FloatArray:
    """Return the mean over seeds of the replicates, or of the influences."""
    arrays = [draw.psi_U if draw.replicate_R is None else draw.replicate_R for draw in draws]
    mean: FloatArray = np.stack([array for array in arrays if array is not None]).mean(axis=0)
    return mean


def _relative(candidate: FloatArray, reference: FloatArray) -> FloatArray:
    ratio: FloatArray = np.divide(candidate, reference, out=np.full(candidate.shape, np.nan), where=reference != 0)
    ratio -= 1
    return ratio
