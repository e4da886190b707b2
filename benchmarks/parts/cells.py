"""Cells of the printed tables: a mean over runs, and how far it varies."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

Values = Sequence[float] | NDArray[np.float64]
"""One number per run."""


def spread(value: float, sd: float | None, text: Callable[[float], str]) -> str:
    """Return `value ± sd`, the value alone where there is no sd; `text` prints both."""
    return text(value) if sd is None else f"{text(value)} ± {text(sd)}"


def mean_sd(values: Values, digits: int = 4) -> str:
    """Return mean ± standard deviation, which is NaN for one run."""
    return spread(float(np.mean(values)), _sd(values), lambda number: f"{number:.{digits}f}")


def mean_se(values: Values, digits: int = 4) -> str:
    """Return a signed mean ± its standard error, which is NaN for one run."""
    return f"{np.mean(values):+.{digits}f} ± {_sd(values) / np.sqrt(len(values)):.{digits}f}"


def _sd(values: Values) -> float:
    return float(np.std(values, ddof=1)) if len(values) > 1 else float("nan")
