"""XAUC of judge rows by how often the fit days showed their video, with its uncertainty over users and over videos; slices by user.

Shapes: B judge rows.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from benchmarks.watchtime.measure import CONFIDENCE, Outputs
from benchmarks.watchtime.testbed import Testbed
from tasks.evaluate.estimate import Draw, difference, seed_sd
from tasks.evaluate.metrics.pairwise import xauc_influence
from tasks.table.training_table import TrainingTable

SLICES: Mapping[str, tuple[int, float]] = {
    "all": (0, np.inf),
    "0": (0, 0),
    "1-5": (1, 5),
    "6-20": (6, 20),
    "> 20": (21, np.inf),
}
"""Slice -> fewest and most rows of the fit days that a judge row's video, or user, has."""
POWER = 0.8
"""Probability with which the smallest detectable effect is seen."""
_FEWEST_ROWS = 100
"""A slice of fewer is left out."""


@dataclass(frozen=True, eq=False)
class Sliced:
    """One arm on one slice.

    Attributes:
        users: one draw of XAUC per seed, with the influence of every user.
        videos: the same with that of every video.
    """

    users: Sequence[Draw]
    videos: Sequence[Draw]

    @property
    def per_seed(self) -> list[float]:
        """XAUC of every seed."""
        return [draw.result.value for draw in self.users]

    def over(self, other: "Sliced") -> dict[str, tuple[float, float, float]]:
        """Return the paired difference of the means and its interval, over users and over videos."""
        pairs = {"users": (self.users, other.users), "videos": (self.videos, other.videos)}
        found = {name: difference(*pair, CONFIDENCE) for name, pair in pairs.items()}
        return {name: (of.value, of.low, of.high) for name, of in found.items()}

    def detectable(self, other: "Sliced") -> tuple[float, float]:
        """Return the smallest difference to another that these rows show with `POWER`: a true one so large has an interval off 0 so often.

        The first by the sampling of videos alone, as the interval over videos has it; the second by the variance between fits as well.
        """
        sampling = difference(self.videos, other.videos, CONFIDENCE).standard_error
        fits = max(len(self.per_seed), len(other.per_seed))
        both = [np.broadcast_to(of.per_seed, fits) for of in (self, other)]
        between = seed_sd((both[0] - both[1]).tolist()) / np.sqrt(fits)
        quantiles = float(ndtri(0.5 + CONFIDENCE / 2) + ndtri(POWER))
        return quantiles * sampling, quantiles * float(np.hypot(sampling, between))


def heading(name: str, whose: str = "Videos") -> str:
    """Return the title of a slice's table."""
    return "All judge rows" if name == "all" else f"{whose} with {name} fit rows"


def slices_of(testbed: Testbed, table: TrainingTable, key: str = "video_id") -> dict[str, NDArray[np.int64]]:
    """Return the judge rows of every slice that has enough, by the fit rows of their video, or of their user."""
    shown, times = np.unique(table.column("fit", key), return_counts=True)
    id_B = testbed.keys[key].to_numpy()
    place_B = np.minimum(np.searchsorted(shown, id_B), len(shown) - 1)
    fit_rows_B = np.where(shown[place_B] == id_B, times[place_B], 0)
    found = {name: np.flatnonzero((fit_rows_B >= low) & (fit_rows_B <= high)) for name, (low, high) in SLICES.items()}
    return {name: index for name, index in found.items() if index.size >= _FEWEST_ROWS}


def sliced(testbed: Testbed, outputs: Mapping[int, Outputs], index: NDArray[np.int64]) -> Sliced:
    """Return what a recipe's fits, by seed, are worth on some judge rows."""
    rows = testbed.rows.take(index)
    scores = [found.take(index).score_B for found in outputs.values()]

    def draws(groups: Any) -> list[Draw]:
        return [_drawn(xauc_influence(rows.watch_B, score_B, groups)) for score_B in scores]

    return Sliced(draws(rows.users), draws(rows.videos))


def _drawn(statistic: Any) -> Draw:
    return Draw(statistic.result(), None, statistic.psi_U)
