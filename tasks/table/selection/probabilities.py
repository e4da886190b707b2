"""From scores to inclusion probabilities that keep a share of the rows (docs/methods/selection.md#probabilities).

Shapes: K levels of a key (a user, a video).
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
_HALVINGS = 200


@dataclass(frozen=True, eq=False)
class Scores:
    """How much the rows of every level of a key are wanted.

    Attributes:
        key: column of the rows.
        unit: what is drawn: a row, or all rows of a user together.
        level_K: levels, ascending.
        rows_K: rows of each.
        score_K: positive; only quotients count.
    """

    key: Literal["user_id", "video_id"]
    unit: Literal["row", "user"]
    level_K: Ints
    rows_K: Ints
    score_K: Floats

    def probabilities(self, share: float, least: float) -> Floats:
        """Return the inclusion probability of the rows of each level, [K]."""
        return inclusion(self.score_K, self.rows_K, share, least)


def inclusion(score_K: Floats, rows_K: Ints, share: float, least: float) -> Floats:
    """Return clip(rho score, least, 1), with the rho that keeps `share` of the rows on average, [K].

    Args:
        score_K: positive.
        rows_K: rows of each.
        share: in [least, 1).
        least: the least probability.
    """
    low, high = least / score_K.max(), 1 / score_K.min()  # all probabilities are the least, and all are 1
    wanted = share * rows_K.sum()
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        if (rows_K * np.clip(middle * score_K, least, 1)).sum() < wanted:
            low = middle
        else:
            high = middle
    found_K: Floats = np.clip(high * score_K, least, 1)
    return found_K
