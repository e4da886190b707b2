"""Evidence that may be looked at every night: a one-sided normal mixture, its variance, its bounds and its multiplicity.

Under "not better" the expected value of E never exceeds 1, however often one looks, so E >= 1 / alpha ever happens with
probability alpha at most.

Source: docs/methods/metrics.md#evidence-over-nights.
"""

import bisect
import math
from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

import numpy as np
from scipy.special import log_ndtr

PRIOR_NIGHTS = 20
"""Nights at which the mixture is most sensitive: its precision is the variance of that many."""
SMALLEST_ERROR = 1e-6
"""Stands for a first night's standard error of 0 (a model against itself)."""
WEEK = 7
WEEKS_NEEDED = 4
"""Whole weeks from which the variance between weeks is estimated."""
HORIZON = 3650
"""Nights beyond which no forecast is made."""
_LARGEST_LOG = 700.0

Source = Literal["bootstrap", "nights", "weeks"]


class Variance(NamedTuple):
    """Variance of a sum over nights, and the estimate that ruled because it was the largest."""

    value: float
    source: Source


class Process(NamedTuple):
    """The evidence of one metric after some nights.

    Attributes:
        nights: n.
        total: S, the sum of the nights' differences.
        variance: V of that sum.
        source: which estimate of V ruled.
        precision: r of the mixture.
    """

    nights: int
    total: float
    variance: float
    source: Source
    precision: float

    @classmethod
    def of(cls, deltas: Sequence[float], errors: Sequence[float]) -> "Process":
        """Gather nights in their order.

        Args:
            deltas: difference of each single night.
            errors: its standard error.
        """
        variance = variance_of_sum(deltas, errors)
        precision = PRIOR_NIGHTS * max(errors[0], SMALLEST_ERROR) ** 2
        return cls(len(deltas), math.fsum(deltas), variance.value, variance.source, precision)

    @property
    def mean(self) -> float:
        """Mean difference of a night."""
        return self.total / self.nights

    @property
    def e_value(self) -> float:
        """Evidence that the mean is above 0."""
        return e_value(self.total, self.variance, self.precision)

    def after(self, nights: int) -> float:
        """Return E after so many nights, if they go on as these did."""
        scale = nights / self.nights
        return e_value(self.total * scale, self.variance * scale, self.precision)

    def lower(self, alpha: float) -> float:
        """Return the lower end of the confidence sequence of the mean: below the truth on some night with at most alpha."""
        return (self.total - boundary(self.variance, self.precision, alpha)) / self.nights


def e_value(total: float, variance: float, precision: float) -> float:
    """Return 2 sqrt(r / (V + r)) exp(S^2 / (2 (V + r))) Phi(S / sqrt(V + r)), capped at e^700.

    Args:
        total: S, the sum.
        variance: V of the sum.
        precision: r of the half-normal prior.
    """
    return math.exp(min(_log_e_value(total, variance, precision), _LARGEST_LOG))


def _log_e_value(total: float, variance: float, precision: float) -> float:
    spread = variance + precision
    tail = float(log_ndtr(total / math.sqrt(spread)))
    return math.log(2) + 0.5 * math.log(precision / spread) + total**2 / (2 * spread) + tail


def boundary(variance: float, precision: float, alpha: float) -> float:
    """Return the sum S at which E reaches 1 / alpha, by bisection: E grows with S."""
    wanted = -math.log(alpha)
    spread = variance + precision
    low = 0.0
    high = math.sqrt(2 * spread * (wanted + math.log(2) + 0.5 * math.log(spread / precision)))
    while high - low > 1e-12 * high:
        middle = (low + high) / 2
        low, high = (middle, high) if _log_e_value(middle, variance, precision) < wanted else (low, middle)
    return high


def variance_of_sum(deltas: Sequence[float], errors: Sequence[float]) -> Variance:
    """Return n times the largest of three variances of a night.

    The mean squared standard error holds the sampling of users; the variance between nights, from a week on, also the
    days and the refits; that of weeks' means, from four on, also what lasts for days.
    """
    delta_N = np.asarray(deltas, dtype=np.float64)
    found = [Variance(float(np.mean(np.square(errors))), "bootstrap")]
    if delta_N.size >= WEEK:
        found.append(Variance(float(delta_N.var(ddof=1)), "nights"))
    weeks = delta_N.size // WEEK
    if weeks >= WEEKS_NEEDED:
        mean_W = delta_N[-weeks * WEEK :].reshape(weeks, WEEK).mean(axis=1)
        few = 1 + math.sqrt(2 / (weeks - 1))
        found.append(Variance(WEEK * float(mean_W.var(ddof=1)) * few, "weeks"))
    largest = max(found, key=lambda variance: variance.value)
    return Variance(delta_N.size * largest.value, largest.source)


def autocorrelation(deltas: Sequence[float]) -> float:
    """Return the correlation of a night with the one before it; NaN before a week has passed, or of equal nights."""
    centred_N = np.asarray(deltas, dtype=np.float64) - np.mean(deltas)
    power = float(centred_N @ centred_N)
    if centred_N.size < WEEK or power <= centred_N.size * (1e-12 * np.abs(deltas).max()) ** 2:
        return math.nan
    return float(centred_N[1:] @ centred_N[:-1]) / power


def combined(processes: Sequence[Process]) -> float:
    """Return the mean of the E of several metrics: evidence that one of them is better."""
    return math.fsum(process.e_value for process in processes) / len(processes)


def nights_needed(processes: Sequence[Process], threshold: float, earliest: int) -> int | None:
    """Return the smallest number of nights at which the combined E reaches a threshold if they go on as they did.

    Args:
        processes: of every metric, as they stand.
        threshold: that E must reach.
        earliest: first night that may decide.

    Returns:
        how many nights in all; None where none below `HORIZON` would do.
    """

    def reached(nights: int) -> bool:
        return math.fsum(process.after(nights) for process in processes) / len(processes) >= threshold

    first = max(earliest, *(process.nights for process in processes))
    if first >= HORIZON or not reached(HORIZON):
        return None
    # From its start at 1 the E of a positive mean falls and then rises for good, so it crosses a threshold above 1 once.
    return bisect.bisect_left(range(HORIZON + 1), True, lo=first, key=reached)


def rejected(e_values: Mapping[str, float], alpha: float) -> frozenset[str]:
    """Return the challengers that are better, the chance of naming a wrong one being alpha at most (closed testing).

    A challenger is named if the mean E of every group that it belongs to reaches 1 / alpha; the hardest group of a size
    is the one with the smallest others.
    """

    def holds(name: str) -> bool:
        others = sorted(value for other, value in e_values.items() if other != name)
        total = e_values[name]
        means = [total]
        for size, value in enumerate(others, start=2):
            total += value
            means.append(total / size)
        return min(means) >= 1 / alpha

    return frozenset(name for name in e_values if holds(name))
