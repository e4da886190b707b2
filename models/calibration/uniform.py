"""From seconds on logged rows to seconds under uniform exposure, learned from the few rows that were exposed at random."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from models.calibration.curve import Array, Curve, isotonic

CELLS = 10
"""Equal-count cells of the random rows, by their seconds on the log."""
LEAST_ROWS, LEAST_USERS = 500, 200
"""Fewer random rows or users than these tell nothing that may serve."""
_UNSURE = 1.645
"""How many of its own standard errors the squared bias is taken to be larger, where an error is stated."""
_FAR = 1e3
"""How far beyond the last cell its ratio is continued, as a multiple of it: farther than any video lasts."""


class Cell(BaseModel):
    """What the random rows of one cell say of the seconds that the log gives them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rows: int
    """Random rows."""
    logged_s: float
    """Mean seconds that they have by the logged curves."""
    shift_s: float
    """Mean of what was watched, less that times the factor."""
    variance: float
    """Of `shift_s`, by users, seconds squared."""
    logged_variance: float
    """Of the logged curves themselves in the cell, by users, seconds squared."""
    weight: float
    """Share of `shift_s` that is taken: 0 trusts the log, 1 the random rows."""
    error_s: float
    """Standard error of the seconds that come out."""


class UniformSlice(BaseModel):
    """Seconds under uniform exposure: those of the log times a factor, shifted cell by cell, both as far as the random rows
    can tell.

    With delta the mean residual of the random rows against some seconds, v_U its variance, v_L that of the logged curves
    there and b2 = max(0, mean(delta^2 - v_L - v_U)) over the cells asked: a delta is added, a = (v_L + b2) / (v_L + b2 + v_U).
    Once for all rows together, which gives the factor; then for ten cells against the seconds times that factor. The
    result is made monotone through the cells by their rows.

    Source: ours; shrinkage towards a precise, biased estimate (docs/methods/watch_time.md#uniform-exposure).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    rows: int
    """Random rows of the day."""
    users: int
    """Users who have any."""
    factor: float = 1.0
    """Of the seconds on the log, all cells alike."""
    factor_error: float | None = None
    """Its standard error; None where refused."""
    cells: tuple[Cell, ...] = ()
    curve: Curve | None = None
    """Seconds on the log to seconds under uniform exposure; None where refused."""
    refused: str | None = None
    """Why it must not serve."""

    @classmethod
    def fit(cls, logged_s: Array, watch_s: Array, user: NDArray[np.int64], random: NDArray[np.bool_]) -> Self:
        """Learn it from one day.

        Args:
            logged_s: seconds by the logged curves, [rows].
            watch_s: seconds watched, [rows].
            user: stable keys of users, [rows].
            random: whether a row was exposed uniformly at random, [rows].
        """
        users = len(np.unique(user[random]))
        if (rows := int(random.sum())) < LEAST_ROWS or users < LEAST_USERS:
            reason = f"{rows} rows of {users} users were exposed at random on the day: {LEAST_ROWS} rows of {LEAST_USERS} users are needed"
            return cls(rows=rows, users=users, refused=reason)
        everything, cell = np.zeros(len(user), dtype=np.int64), _equal_counts(logged_s, random)
        whole = _Shrunk.of(watch_s - logged_s, user, everything, random)
        mean_s = float(logged_s[random].mean()) or 1.0
        factor, factor_error = 1 + float(whole.taken[0]) / mean_s, float(whole.error[0]) / mean_s
        parts = _Shrunk.of(watch_s - factor * logged_s, user, cell, random)
        count = np.bincount(cell[random])
        centre = np.bincount(cell[random], logged_s[random]) / count
        error_s = np.hypot(parts.error, (1 - parts.weight) * factor_error * centre)
        columns = (count, centre, parts.shift, parts.variance, parts.logged_variance, parts.weight, error_s)
        seconds = np.maximum(factor * centre + parts.taken, 0.0)
        return cls(
            rows=rows,
            users=users,
            factor=factor,
            factor_error=factor_error,
            cells=tuple(
                Cell(rows=n, logged_s=c, shift_s=d, variance=v, logged_variance=w, weight=a, error_s=e)
                for n, c, d, v, w, a, e in zip(*(column.tolist() for column in columns), strict=True)
            ),
            curve=_monotone(centre, seconds, count.astype(np.float64)),
        )

    def __call__(self, logged_s: Array) -> Array:
        """Return seconds under uniform exposure, [rows].

        Args:
            logged_s: seconds by the logged curves, [rows].

        Raises:
            ValueError: if the random rows were too few.
        """
        if self.curve is None:
            raise ValueError(self.refused)
        return self.curve(logged_s)


@dataclass(frozen=True)
class _Shrunk:
    """Mean residuals of random rows by cell, as far as they are taken, all [cells]."""

    shift: Array
    variance: Array
    logged_variance: Array
    weight: Array
    error: Array

    @classmethod
    def of(
        cls, residual: Array, user: NDArray[np.int64], cell: NDArray[np.int64], random: NDArray[np.bool_]
    ) -> "_Shrunk":
        """Weigh the random rows of each cell against the log.

        Args:
            residual: watched seconds less the ones to be shifted, [rows].
            user: keys, [rows].
            cell: [rows]; each holds a random row.
            random: which rows were exposed at random, [rows].
        """
        shift, variance = _means_by_user(residual[random], user[random], cell[random])
        logged_variance = _means_by_user(residual, user, cell)[1]
        bias2 = max(0.0, float(np.mean(shift**2 - variance - logged_variance)))
        own = logged_variance + bias2
        weight = own / np.maximum(own + variance, np.finfo(np.float64).tiny)
        unsure = _UNSURE * float(np.mean(variance + logged_variance)) * (2 / len(shift)) ** 0.5
        error2 = weight**2 * variance + (1 - weight) ** 2 * (own + unsure)
        return cls(shift, variance, logged_variance, weight, error2**0.5)

    @property
    def taken(self) -> Array:
        """Seconds that are added, [cells]."""
        return self.weight * self.shift


def _equal_counts(value: Array, chosen: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return the cell of every row: quantiles of the chosen ones, those that coincide taken together."""
    edges = np.unique(np.quantile(value[chosen], np.arange(1, CELLS) / CELLS))
    cell = np.searchsorted(edges, value, side="right")
    found = np.unique(cell[chosen])
    # a row of the log between two cells that hold random rows goes to the next one
    return np.minimum(np.searchsorted(found, cell), len(found) - 1).astype(np.int64)


def _means_by_user(residual: Array, user: NDArray[np.int64], cell: NDArray[np.int64]) -> tuple[Array, Array]:
    """Return the mean of every cell, [cells], and its variance with users as the unit that was drawn, [cells]."""
    count = np.bincount(cell)
    mean, num_cells = np.bincount(cell, residual) / count, len(count)
    _, key = np.unique(user, return_inverse=True)
    pair, place = np.unique(key * num_cells + cell, return_inverse=True)
    off = np.bincount(place, residual - mean[cell])
    squares = np.bincount(pair % num_cells, off**2, minlength=num_cells)
    return mean, squares / count**2


def _monotone(centre: Array, seconds: Array, rows: Array) -> Curve:
    """Return a non-decreasing curve from 0 through the cells, which goes on beyond the last one by its ratio."""
    curve = isotonic(centre, seconds, rows)
    x, y = curve.x, curve.y
    if x[0] > 0:
        x, y = (0.0, *x), (0.0, *y)
    if x[-1] > 0:
        x, y = (*x, _FAR * x[-1]), (*y, _FAR * y[-1])
    return Curve(x=x, y=y)
