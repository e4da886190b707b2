"""Watch times with known truth: three durations, two kinds of user, an atom at 0, a body, an atom at the duration."""

from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray

from models.heads.base import TrainLabels

ROWS_PER_CELL = 1000


@dataclass(frozen=True)
class Cells:
    """Rows of six cells (duration x user type), spread over each cell's quantiles instead of drawn.

    Attributes:
        labels: watch and duration, seconds.
        cell: int64 [rows].
        duration: float64 [6].
        mean: float64 [6], E[y | cell].
        median: float64 [6].
    """

    labels: TrainLabels
    cell: NDArray[np.int64]
    duration: NDArray[np.float64]
    mean: NDArray[np.float64]
    median: NDArray[np.float64]


def _cell(duration: float, zero: float, complete: float, power: float) -> tuple[NDArray[np.float64], float, float]:
    """Return rows, mean and median of y = 0, duration * U^power, or duration."""
    num_zero, num_complete = round(zero * ROWS_PER_CELL), round(complete * ROWS_PER_CELL)
    num_body = ROWS_PER_CELL - num_zero - num_complete
    body = duration * ((np.arange(num_body) + 0.5) / num_body) ** power
    watch = np.concatenate([np.zeros(num_zero), body, np.full(num_complete, duration)])
    share = 1 - zero - complete
    mean = share * duration / (power + 1) + complete * duration
    return np.round(watch, 3), mean, duration * ((0.5 - zero) / share) ** power


@pytest.fixture(scope="session")
def cells() -> Cells:
    """Return the six cells."""
    kinds = [(d, *user) for d in (10.0, 30.0, 90.0) for user in ((0.3, 0.1, 2.0), (0.05, 0.35, 0.7))]
    watch, mean, median = zip(*(_cell(*kind) for kind in kinds), strict=True)
    duration = np.array([kind[0] for kind in kinds])
    return Cells(
        labels=TrainLabels(np.concatenate(watch), np.repeat(duration, ROWS_PER_CELL)),
        cell=np.repeat(np.arange(6), ROWS_PER_CELL),
        duration=duration,
        mean=np.array(mean),
        median=np.array(median),
    )
