"""Monotone curves through one day's rows, and the two ways to draw them."""

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

Array = NDArray[np.float64]

ROWS_PER_BIN = 50
MIN_BINS, MAX_BINS = 50, 100


class Curve(BaseModel):
    """A non-decreasing function, linear between its knots and constant outside them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    x: tuple[float, ...]
    """Knots, in the unit of the score."""
    y: tuple[float, ...]
    """Values at the knots; seconds where the curve calibrates."""

    def __call__(self, value: Array) -> Array:
        """Return the function's values."""
        return np.interp(value, self.x, self.y)


def isotonic(value: Array, watch_s: Array, weight: Array | None = None) -> Curve:
    """Return the isotonic least-squares regression of `watch_s` on `value`: an estimate of the mean; None: equal weights."""
    from sklearn.isotonic import IsotonicRegression  # seconds to load: for who fits curves, not for who reads them

    fit = IsotonicRegression().fit(value, watch_s, sample_weight=weight)
    return Curve(x=tuple(fit.X_thresholds_.tolist()), y=tuple(fit.y_thresholds_.tolist()))


def binned_medians(value: Array, watch_s: Array) -> Curve:
    """Return the isotonic regression through the medians of 50 to 100 equal-count bins.

    Equal values share a bin (that of their mid-rank), so the curve does not depend on the order of the rows.
    """
    num_bins = min(MAX_BINS, max(MIN_BINS, len(value) // ROWS_PER_BIN))
    _, inverse, counts = np.unique(value, return_inverse=True, return_counts=True)
    midrank = (np.cumsum(counts) - (counts + 1) / 2)[inverse]
    bin_of_row = (midrank * num_bins / len(value)).astype(np.int64)
    order = np.argsort(bin_of_row, kind="stable")
    starts = np.unique(bin_of_row[order], return_index=True)[1][1:]
    middle = np.array([np.median(part) for part in np.split(value[order], starts)])
    median = np.array([np.median(part) for part in np.split(watch_s[order], starts)])
    return isotonic(middle, median)
