"""A metric averaged over seeds with what is known about its uncertainty, and the paired difference of two.

Sampling of users and variance between fits are kept apart: the interval holds the first, `seed_sd` the second.

Shapes: U users, R bootstrap replicates.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

from tasks.evaluate.metrics.inputs import FloatArray
from tasks.evaluate.metrics.result import MetricResult
from tasks.evaluate.metrics.uncertainty import standard_error


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
class Estimate:
    """A metric as it is reported.

    Attributes:
        value: mean over seeds; NaN where it is undefined.
        standard_error: of the mean over seeds, from sampling of users only.
        low: lower end of its interval.
        high: upper end.
        seed_sd: standard deviation over seeds (n - 1); NaN with one seed.
        per_seed: value of each seed.
        rows: rows used.
        groups: groups used.
        dropped: groups (or rows, as `reason` says) left out.
        reason: why.
    """

    value: float
    standard_error: float
    low: float
    high: float
    seed_sd: float
    per_seed: tuple[float, ...]
    rows: int
    groups: int
    dropped: int
    reason: str


@dataclass(frozen=True)
class Spread:
    """Standard error and two-sided interval of a number."""

    standard_error: float
    low: float
    high: float


def average(draws: Sequence[Draw], level: float) -> Estimate:
    """Return the mean over seeds of one metric.

    Args:
        draws: one per seed, all of the same metric and rows.
        level: coverage of the interval.
    """
    values = [draw.result.value for draw in draws]
    value = float(np.mean(values))
    first = draws[0].result
    if draws[0].psi_U is None:
        spread = _percentile(_sampling(draws), level)
    else:
        spread = _normal(value, standard_error(_sampling(draws), first.num_groups), level)
    return Estimate(
        value,
        spread.standard_error,
        spread.low,
        spread.high,
        seed_sd(values),
        tuple(values),
        first.num_rows,
        first.num_groups,
        first.num_dropped,
        first.dropped_reason,
    )


def difference(candidate: Sequence[Draw], reference: Sequence[Draw], level: float) -> tuple[float, Spread]:
    """Return candidate - reference of the means over seeds, paired by user, with its spread."""
    delta = _mean_value(candidate) - _mean_value(reference)
    paired = _sampling(candidate) - _sampling(reference)
    if candidate[0].psi_U is None:
        return delta, _percentile(paired, level)
    return delta, _normal(delta, standard_error(paired, candidate[0].result.num_groups), level)


def relative_difference(candidate: Sequence[Draw], reference: Sequence[Draw], level: float) -> tuple[float, Spread]:
    """Return candidate / reference - 1 of the means over seeds of an additive metric, with its spread."""
    assert candidate[0].psi_U is None
    value = _relative(np.array([_mean_value(candidate)]), np.array([_mean_value(reference)]))[0]
    return float(value), _percentile(_relative(_sampling(candidate), _sampling(reference)), level)


def seed_sd(values: Sequence[float]) -> float:
    """Return the standard deviation over seeds (n - 1); NaN with one seed."""
    return float(np.std(values, ddof=1)) if len(values) > 1 else float("nan")


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


def _normal(value: float, error: float, level: float) -> Spread:
    half_width = float(ndtri(0.5 + level / 2)) * error
    return Spread(error, value - half_width, value + half_width)


def _percentile(replicate_R: FloatArray, level: float) -> Spread:
    tail = (1 - level) / 2
    low, high = np.quantile(replicate_R, [tail, 1 - tail])
    return Spread(float(replicate_R.std(ddof=1)), float(low), float(high))
