"""Mean and standard deviation of dense features, accumulated over chunks in double precision."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

_CONSTANT = 1e-6  # relative spread below which a feature counts as constant


@dataclass(frozen=True)
class Normalisation:
    """Standardises dense features; missing values become 0, which is the mean.

    Attributes:
        names: feature names, in column order.
        mean: float64 [N].
        scale: float64 [N]; standard deviation, 1 for a constant feature.
        clip: limit of the standardised value.
    """

    names: tuple[str, ...]
    mean: NDArray[np.float64]
    scale: NDArray[np.float64]
    clip: float

    def apply(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return a [rows, N] matrix standardised; missing values, NaN before, are 0."""
        scaled = values - self.mean.astype(np.float32)
        scaled /= self.scale.astype(np.float32)
        np.clip(scaled, -self.clip, self.clip, out=scaled)
        scaled[np.isnan(scaled)] = 0.0
        return scaled


class MomentAccumulator:
    """Merges count, mean and sum of squared deviations of chunks (Chan et al.), column by column; NaN is missing."""

    def __init__(self, names: Sequence[str]) -> None:
        self.names = tuple(names)
        self._count = np.zeros(len(self.names))
        self._mean = np.zeros(len(self.names))
        self._squares = np.zeros(len(self.names))

    def add(self, values: NDArray[np.floating[Any]]) -> None:
        """Add a [rows, N] chunk; values that are not finite do not count."""
        missing = ~np.isfinite(values)
        count = (len(values) - missing.sum(axis=0)).astype(np.float64)
        centred = values.astype(np.float64)
        centred[missing] = 0.0
        mean = centred.sum(axis=0) / np.maximum(count, 1)
        centred -= mean
        centred[missing] = 0.0
        squares = np.einsum("ij,ij->j", centred, centred)
        total = np.maximum(self._count + count, 1)
        delta = mean - self._mean
        self._squares += squares + delta**2 * self._count * count / total
        self._mean += delta * count / total
        self._count += count

    def normalisation(self, clip: float, unscaled: Collection[str] = ()) -> Normalisation:
        """Return the normalisation; a feature that never varies keeps scale 1, an unscaled one passes as it is."""
        deviation = np.sqrt(self._squares / np.maximum(self._count, 1))
        constant = deviation <= _CONSTANT * np.maximum(np.abs(self._mean), _CONSTANT)
        as_is = np.isin(self.names, list(unscaled))
        scale = np.where(constant | as_is, 1.0, deviation)
        return Normalisation(self.names, np.where(as_is, 0.0, self._mean), scale, clip)
