"""How many rows a weighted sample is worth."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def effective_sample_size(weight: Floats) -> float:
    """Return (sum w)^2 / sum w^2: how many equally weighted rows these are worth; 0 for none."""
    squares = float(np.square(weight).sum())
    return float(weight.sum()) ** 2 / squares if squares else 0.0


def share_of_largest(weight: Floats, part: float = 0.01) -> float:
    """Return the share of all weight held by the largest `part` of the rows (at least one); NaN for none."""
    if len(weight) == 0:
        return float("nan")
    count = max(1, round(part * len(weight)))
    return float(np.partition(weight, len(weight) - count)[-count:].sum() / weight.sum())
