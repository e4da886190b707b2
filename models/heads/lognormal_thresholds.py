"""Thresholds drawn from a law of watch times, with the weights that make a mean over them an integral over seconds.

Source: docs/methods/watch_time.md#lognormal-thresholds. Shape legend: T thresholds.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

LOGNORMAL_SHARE = 0.8
_LEAST_DEVIATION = 0.05
"""Of ln seconds: below it a density is so steep that no draw says anything of the rest."""
_SEED = 0
Array = NDArray[np.float64]


@dataclass(frozen=True)
class ThresholdLaw:
    """q = .8 lognormal, fitted on what was watched at all and cut off at the longest, + .2 uniform up to there.

    Attributes:
        mean: of ln seconds.
        deviation: of ln seconds.
        longest_s: longest watch time, seconds.
    """

    mean: float
    deviation: float
    longest_s: float

    @classmethod
    def fit(cls, watch_s: Array) -> Self:
        """Return the law of train rows.

        Args:
            watch_s: seconds, of which at least one is above 0.
        """
        logs = np.log(watch_s[watch_s > 0])
        return cls(float(logs.mean()), max(float(logs.std()), _LEAST_DEVIATION), float(watch_s.max()))

    def density(self, t: Array, share: float = LOGNORMAL_SHARE) -> Array:
        """Return q at some seconds in (0, longest], per second, [T]."""
        z = (np.log(t) - self.mean) / self.deviation
        lognormal = np.exp(-0.5 * z**2) / (t * self.deviation * np.sqrt(2 * np.pi) * self._inside)
        density: Array = share * lognormal + (1 - share) / self.longest_s
        return density

    def draw(self, count: int, seed: int = _SEED) -> tuple[Array, Array]:
        """Return thresholds in ascending order and their weights 1 / q, seconds, [T] each.

        The mean of weight x value estimates the integral of a function from 0 to the longest watch time without bias. One
        threshold is drawn from every part of equal mass of either component, and q has the components' true shares.

        Args:
            count: T, at least 1.
            seed: of the draw.
        """
        from scipy.special import ndtri  # half a second to load: for who fits a head, not for who serves by it

        uniform = np.random.default_rng(seed)
        of_lognormal = round(LOGNORMAL_SHARE * count)
        place = (np.arange(of_lognormal) + uniform.random(of_lognormal)) / max(of_lognormal, 1)
        even = count - of_lognormal
        level = (np.arange(even) + uniform.random(even)) / max(even, 1)
        drawn = np.concatenate(
            [np.exp(self.mean + self.deviation * ndtri(place * self._inside)), level * self.longest_s]
        )
        # A draw of 0 has no logarithm: the least positive number of the labels' precision stands for it.
        t = np.sort(drawn.clip(np.finfo(np.float32).tiny, self.longest_s))
        return t, 1 / self.density(t, of_lognormal / count)

    @property
    def _inside(self) -> float:
        """Mass of the lognormal up to the longest watch time."""
        from scipy.special import ndtr

        return float(ndtr((np.log(self.longest_s) - self.mean) / self.deviation))
