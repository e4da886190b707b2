"""Whether propensities can carry weights: overlap, balance and calibration, as pure functions of arrays.

Source: docs/methods/debias.md#overlap-diagnostics. `stands_for` is the rows of D that each row of a sample stands for,
so that every mean over D is a weighted mean over the rows given. Propensities are given as they are used, clipped.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from models.propensity.base import Bools, Floats

LEAST_ESS_SHARE = 0.1
LARGEST_SMD = 0.1
LARGEST_MASS_ERROR = 0.1


def mean_inverse(observed: Bools, propensity: Floats, stands_for: Floats) -> float:
    """Return mean_D(o / p), which is 1 where propensities are right."""
    return float((1 / propensity[observed]).sum() / stands_for.sum())


@dataclass(frozen=True)
class ReliabilityBin:
    """Rows of D with like propensities.

    Attributes:
        predicted: mean propensity.
        observed: share observed.
        share: share of D.
    """

    predicted: float
    observed: float
    share: float


def reliability(observed: Bools, propensity: Floats, stands_for: Floats, bins: int = 15) -> list[ReliabilityBin]:
    """Return bins of equal shares of D by propensity, from low to high; equal propensities share a bin."""
    _, level = np.unique(propensity, return_inverse=True)
    mass = np.bincount(level, stands_for)
    middle = (np.cumsum(mass) - mass / 2) / mass.sum()
    bin_of_row = np.minimum((middle * bins).astype(np.int64), bins - 1)[level]
    sums = [
        np.bincount(bin_of_row, stands_for * column, bins) for column in (np.ones(len(observed)), propensity, observed)
    ]
    filled = sums[0] > 0
    rows, predicted, seen = (column[filled] for column in sums)
    share = rows / rows.sum()
    return [ReliabilityBin(*map(float, row)) for row in zip(predicted / rows, seen / rows, share, strict=True)]


def expected_calibration_error(bins: Sequence[ReliabilityBin]) -> float:
    """Return the mean over D of the bins' |mean propensity - share observed|."""
    return sum(part.share * abs(part.predicted - part.observed) for part in bins)


class FeatureBalance:
    """Sums over rows, a chunk at a time, from which the balance of features follows.

    Two comparisons of features x of the rows: the standardised mean difference (SMD) of the weighted and of the plain
    observed rows against a target population, which is D or, where D is unknown, the rows exposed at random; and
    BMSE = |mean_D[(o/p - (1-o)/(1-p)) phi(x)]|^2 with phi = (1, standardised x) (our reading of phi).

    Args:
        num_features: columns of x.
        clip: lower bound of p and of 1 - p.
    """

    def __init__(self, num_features: int, clip: float) -> None:
        self._clip = clip
        self._sums = {name: np.zeros(num_features + 1) for name in ("target", "square", "plain", "weighted", "bridge")}

    def add(
        self, feature: Floats, observed: Bools, propensity: Floats, stands_for: Floats, target: Floats
    ) -> "FeatureBalance":
        """Add rows.

        Args:
            feature: [rows, features].
            observed: [rows], True where the policy's choice made the row seen.
            propensity: [rows]; any number below 1 on rows that are neither observed nor part of D.
            stands_for: [rows] rows of D each row stands for, 0 on rows outside it.
            target: [rows] weight of the row in the population compared with.
        """
        columns = np.column_stack([np.ones(len(feature)), feature])
        inverse = observed / np.maximum(propensity, self._clip)
        remainder = ~observed / np.maximum(1 - propensity, self._clip)
        for name, weight in (
            ("target", target),
            ("plain", observed.astype(np.float64)),
            ("weighted", inverse),
            ("bridge", stands_for * (inverse - remainder)),
        ):
            self._sums[name] += (weight[:, None] * columns).sum(axis=0)  # a BLAS product would depend on its threads
        self._sums["square"] += (target[:, None] * np.square(columns)).sum(axis=0)
        return self

    def differences(self) -> tuple[Floats, Floats]:
        """Return the SMD of every feature before and after weighting, [features]; NaN where there are no rows.

        The divisor is the standard deviation in the target population; a feature that is constant there has difference 0.
        """
        mean, deviation = self._moments()
        return self._difference("plain", mean, deviation), self._difference("weighted", mean, deviation)

    def bmse(self) -> float:
        """Return the BMSE; D must be the target population."""
        mean, deviation = self._moments()
        total = self._sums["bridge"] / self._sums["target"][0]
        standardised = np.where(
            deviation > 0, (total[1:] - mean * total[0]) / np.where(deviation > 0, deviation, 1), 0.0
        )
        return float(total[0] ** 2 + np.square(standardised).sum())

    def _moments(self) -> tuple[Floats, Floats]:
        """Return mean and standard deviation in the target population; 0 where a feature is constant but for rounding."""
        rows = self._sums["target"][0] or np.nan
        mean, square = self._sums["target"][1:] / rows, self._sums["square"][1:] / rows
        variance = square - mean**2
        return mean, np.sqrt(np.where(variance <= 1e-12 * square, 0.0, variance))

    def _difference(self, name: str, mean: Floats, deviation: Floats) -> Floats:
        gap = self._sums[name][1:] / (self._sums[name][0] or np.nan) - mean
        return np.where(deviation == 0, 0.0, gap / np.where(deviation == 0, 1, deviation))


def doubts(ess_share: float, mass: float | None, smd: Sequence[tuple[str, float]]) -> Iterator[str]:
    """Yield a sentence for each limit of docs/methods/debias.md#overlap-diagnostics that is broken.

    Args:
        ess_share: ESS / |O|.
        mass: mean_D(o/p), None where D is not known.
        smd: feature and its difference after weighting.
    """
    if ess_share < LEAST_ESS_SHARE:
        yield (
            f"the weights leave {100 * ess_share:.1f} % of the observed rows effective (at least {100 * LEAST_ESS_SHARE:.0f} % "
            "wanted): a few rows decide the fit"
        )
    if mass is not None and abs(mass - 1) > LARGEST_MASS_ERROR:
        yield (
            f"mean o/p over the population is {mass:.3f} and should be 1 within {LARGEST_MASS_ERROR}: the propensities are off "
            "by a factor, or clipped too hard"
        )
    apart = sorted(((name, value) for name, value in smd if abs(value) > LARGEST_SMD), key=lambda item: -abs(item[1]))
    if apart:
        name, value = apart[0]
        yield (
            f"{len(apart)} of {len(smd)} features stay further than {LARGEST_SMD} standard deviations from the population "
            f"after weighting, {name} by {value:+.2f}"
        )
