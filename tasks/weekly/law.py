"""A loss that falls as a power of a size towards a floor, what doubling the size would save, and when nothing can be said
(docs/methods/weekly.md#scaling-law).

Shapes: R runs, S sizes, K exponents, B bootstrap replicates.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from tasks.evaluate.metrics.uncertainty import Interval

Floats = NDArray[np.float64]

LEAST_SIZES = 4
"""Sizes without which floor, scale and exponent would pass through whatever was measured."""
_EXPONENTS_K = np.geomspace(0.02, 3.0, 40)
_FINER_K = np.geomspace(_EXPONENTS_K[0] / _EXPONENTS_K[1], _EXPONENTS_K[1] / _EXPONENTS_K[0], 21)
"""From one neighbour of an exponent to the other, as multiples of it; its tenth power, from one of these to the next."""
_PERMUTATIONS = 999
_ALPHA = 0.05
"""Of the test that the loss falls at all."""


@dataclass(frozen=True, eq=False)
class Runs:
    """The runs of one ladder.

    Attributes:
        size_R: [R] size of each, above 0.
        loss_R: [R] its loss, above 0.
    """

    size_R: Floats
    loss_R: Floats

    @property
    def sizes(self) -> Floats:
        """[S] the sizes, ascending."""
        return np.unique(self.size_R)

    @property
    def largest(self) -> float:
        """The largest size."""
        return float(self.size_R.max())

    def where(self, keep_R: NDArray[np.bool_]) -> "Runs":
        """Return some of the runs."""
        return Runs(self.size_R[keep_R], self.loss_R[keep_R])


@dataclass(frozen=True, eq=False)
class Laws:
    """L(x) = floor + scale (x / unit)^-exponent, one law for every row of losses it was fitted to.

    Attributes:
        floor_B: [B] loss that no size goes below.
        scale_B: [B] what the size `unit` has above it.
        exponent_B: [B] how fast that goes.
        unit: the largest size.
    """

    floor_B: Floats
    scale_B: Floats
    exponent_B: Floats
    unit: float

    @classmethod
    def fit(cls, size_R: Floats, loss_BR: Floats) -> "Laws":
        """Fit by least squares of relative residuals, floor and scale at least 0.

        For a given exponent the law is linear and solved exactly, so exponents are tried on a grid, and on two finer ones
        around the best: there are no starts to choose.
        """
        unit = float(size_R.max())
        log_R, coarse_BK = np.log(size_R / unit), np.tile(_EXPONENTS_K, (len(loss_BR), 1))
        found = _best(log_R, loss_BR, coarse_BK)
        for finer_K in _FINER_K, _FINER_K**0.1:
            found = _best(log_R, loss_BR, found[2][:, None] * finer_K)
        return cls(*found, unit)

    def at(self, size: float | Floats) -> Floats:
        """Return the loss of every law at a size, [B], or at one size each."""
        loss_B: Floats = self.floor_B + self.scale_B * (np.asarray(size) / self.unit) ** -self.exponent_B
        return loss_B


@dataclass(frozen=True, eq=False)
class FittedLaw:
    """The law of a ladder, and what it would have been with other noise.

    Attributes:
        runs: what was measured.
        law: the one law.
        resampled: B laws of redrawn runs.
        level: coverage of intervals.
    """

    runs: Runs
    law: Laws
    resampled: Laws
    level: float

    @classmethod
    def fit(cls, runs: Runs, replicates: int, seed: int, level: float) -> "FittedLaw":
        """Fit, and redraw what the runs of a size differ by from their mean, pooled over sizes, around the law.

        Args:
            runs: at least two of every size.
            replicates: B.
            seed: of the draws.
            level: coverage of intervals.
        """
        law = Laws.fit(runs.size_R, runs.loss_R[None])
        expected_R = np.array([law.at(size)[0] for size in runs.size_R])
        noise_R = _noise(runs, level)
        drawn_BR = np.random.default_rng(seed).choice(noise_R, (replicates, len(noise_R)))
        resampled = Laws.fit(runs.size_R, expected_R * (1 + drawn_BR))
        return cls(runs, law, resampled, level)

    def saved(self, size: float) -> Interval:
        """Return how much lower the loss at a size is than at the largest size fitted, with its interval."""
        found_1, redrawn_B = (laws.at(laws.unit) - laws.at(size) for laws in (self.law, self.resampled))
        return Interval.percentile(float(found_1[0]), redrawn_B, self.level)

    def misses_the_largest(self, replicates: int, seed: int) -> str | None:
        """Return how a law of all other sizes misses the mean of the runs of the largest one; None: it covers it."""
        is_largest_R = self.runs.size_R == self.runs.largest
        others, largest = self.runs.where(~is_largest_R), self.runs.where(is_largest_R)
        laws = FittedLaw.fit(others, replicates, seed, self.level).resampled
        noise_BM = np.random.default_rng(seed).choice(_noise(self.runs, self.level), (replicates, len(largest.loss_R)))
        forecast_B = laws.at(largest.largest) * (1 + noise_BM.mean(axis=1))
        found, interval = float(largest.loss_R.mean()), Interval.percentile(np.nan, forecast_B, self.level)
        if interval.low <= found <= interval.high:
            return None
        return (
            f"a law of the smaller sizes forecasts [{interval.low:.4f}, {interval.high:.4f}] for {largest.largest:g}, "
            f"where {found:.4f} was measured"
        )


def why_no_forecast(fitted: FittedLaw, replicates: int, seed: int) -> str | None:
    """Return why a ladder allows no forecast at all; None: it does.

    There are too few sizes, the loss does not fall with the size, or the smaller sizes do not tell that of the largest.
    """
    runs = fitted.runs
    if len(runs.sizes) < LEAST_SIZES:
        return f"{len(runs.sizes)} sizes were fitted, and a law needs {LEAST_SIZES}"
    if (p := falls(runs, seed)) > _ALPHA:
        return f"the loss does not fall with the size (p = {p:.2f})"
    return fitted.misses_the_largest(replicates, seed)


def falls(runs: Runs, seed: int) -> float:
    """Return the p-value of "losses do not depend on the size" against "they fall", by permutation of the losses.

    The statistic is the covariance of the loss with the logarithm of the size.
    """
    log_R = np.log(runs.size_R) - np.log(runs.size_R).mean()
    found = log_R @ runs.loss_R
    losses_PR = np.random.default_rng(seed).permuted(np.tile(runs.loss_R, (_PERMUTATIONS, 1)), axis=1)
    return float((1 + np.sum(losses_PR @ log_R <= found)) / (1 + _PERMUTATIONS))


def _best(log_R: Floats, loss_BR: Floats, exponent_BK: Floats) -> tuple[Floats, Floats, Floats]:
    """Return floor, scale and exponent, [B] each, of the law that comes nearest.

    Args:
        log_R: [R] logarithm of size over the largest size.
        loss_BR: [B, R] losses.
        exponent_BK: [B, K] exponents to choose from.
    """
    term_BKR = np.exp(-exponent_BK[:, :, None] * log_R) / loss_BR[:, None]
    inverse_B1R = 1 / loss_BR[:, None]
    ones_BK, square_BK = (inverse_B1R**2).sum(axis=2), (term_BKR**2).sum(axis=2)
    label_BK, term_BK = inverse_B1R.sum(axis=2), term_BKR.sum(axis=2)
    cross_BK = (term_BKR * inverse_B1R).sum(axis=2)
    scale_BK = np.maximum((ones_BK * term_BK - cross_BK * label_BK) / (ones_BK * square_BK - cross_BK**2), 0.0)
    floor_BK = (label_BK - scale_BK * cross_BK) / ones_BK
    scale_BK = np.where(floor_BK < 0, term_BK / square_BK, scale_BK)
    floor_BK = np.maximum(floor_BK, 0.0)
    residual_BKR = floor_BK[:, :, None] * inverse_B1R + scale_BK[:, :, None] * term_BKR - 1
    best_B1 = (residual_BKR**2).sum(axis=2).argmin(axis=1)[:, None]
    floor_B, scale_B, exponent_B = (
        np.take_along_axis(of_BK, best_B1, axis=1)[:, 0] for of_BK in (floor_BK, scale_BK, exponent_BK)
    )
    return floor_B, scale_B, exponent_B


def _noise(runs: Runs, level: float) -> Floats:
    """Return [R] relative deviations of runs from the mean of their size, as wide as those of single runs are.

    Few runs tell little of their own spread: what they draw is wider by the ratio of Student's quantile to the normal one.
    """
    noise_R = np.empty_like(runs.loss_R)
    for size in runs.sizes:
        is_of_R = runs.size_R == size
        loss_M = runs.loss_R[is_of_R]
        noise_R[is_of_R] = (loss_M / loss_M.mean() - 1) * np.sqrt(len(loss_M) / (len(loss_M) - 1))
    upper, freedom = (1 + level) / 2, len(noise_R) - len(runs.sizes)
    return noise_R * float(stats.t.ppf(upper, freedom) / stats.norm.ppf(upper))
