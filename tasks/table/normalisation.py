"""Mean and standard deviation of dense features, accumulated over chunks in double precision."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import reduce
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


@dataclass(frozen=True)
class ChunkMoments:
    """What the moments of a chunk of rows are merged from, float64 [N] each.

    Attributes:
        count: values that are finite.
        mean: of those.
        squares: sum of their squared deviations.
    """

    count: NDArray[np.float64]
    mean: NDArray[np.float64]
    squares: NDArray[np.float64]

    @classmethod
    def of(cls, values: NDArray[np.floating[Any]]) -> "ChunkMoments":
        """Return those of a [rows, N] chunk; values that are not finite do not count."""
        missing = ~np.isfinite(values)
        count = (len(values) - missing.sum(axis=0)).astype(np.float64)
        centred = values.astype(np.float64)
        centred[missing] = 0.0
        mean = centred.sum(axis=0) / np.maximum(count, 1)
        centred -= mean
        centred[missing] = 0.0
        return cls(count, mean, np.einsum("ij,ij->j", centred, centred))

    def merged(self, later: "ChunkMoments") -> "ChunkMoments":
        """Return the moments of both (Chan et al.); another order gives other last bits."""
        total = np.maximum(self.count + later.count, 1)
        delta = later.mean - self.mean
        squares = self.squares + (later.squares + delta**2 * self.count * later.count / total)
        return ChunkMoments(self.count + later.count, self.mean + delta * later.count / total, squares)


class MomentAccumulator:
    """Moments of chunks of rows, merged in the order of the chunks wherever each was read; NaN is missing."""

    def __init__(self, names: Sequence[str]) -> None:
        self.names = tuple(names)
        self._chunks: list[ChunkMoments] = []

    def add(self, values: NDArray[np.floating[Any]]) -> None:
        """Add a [rows, N] chunk; values that are not finite do not count."""
        self._chunks.append(ChunkMoments.of(values))

    def to_array(self) -> NDArray[np.float64]:
        """Return what was added, [chunks, 3, N]: a few numbers for each chunk."""
        return np.array([[of.count, of.mean, of.squares] for of in self._chunks]).reshape(-1, 3, len(self.names))

    def add_array(self, chunks: NDArray[np.float64]) -> None:
        """Add the chunks that another one's `to_array` returned."""
        self._chunks += [ChunkMoments(*chunk) for chunk in chunks]

    def normalisation(self, clip: float, unscaled: Collection[str] = ()) -> Normalisation:
        """Return the normalisation; a feature that never varies keeps scale 1, an unscaled one passes as it is."""
        none = np.zeros(len(self.names))
        all_rows = reduce(ChunkMoments.merged, self._chunks, ChunkMoments(none, none, none))
        deviation = np.sqrt(all_rows.squares / np.maximum(all_rows.count, 1))
        constant = deviation <= _CONSTANT * np.maximum(np.abs(all_rows.mean), _CONSTANT)
        as_is = np.isin(self.names, list(unscaled))
        scale = np.where(constant | as_is, 1.0, deviation)
        return Normalisation(self.names, np.where(as_is, 0.0, all_rows.mean), scale, clip)
