"""RQ-KMeans: k-means of the content, then of what is left of it, level after level (docs/methods/representation.md#rq-kmeans).

Shapes: V videos, C numbers of a content vector, L levels, K codewords of a level.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

Doubles = NDArray[np.float64]
Codes = NDArray[np.int32]
_STARTS = 3
"""Runs of k-means, of which the best is kept."""
_BLOCK = 4096
"""Videos whose distances are held at a time."""


@dataclass(frozen=True, eq=False)
class RqKMeans:
    """A residual quantiser: what is fitted encodes any content, that of a later video too.

    Attributes:
        mean_C: of the content of the videos it was fitted on.
        scale_C: their standard deviation, 1 where it is 0.
        codebooks: [K, C] centres of every level, of standardised content.
    """

    mean_C: Doubles
    scale_C: Doubles
    codebooks: tuple[Doubles, ...]

    @classmethod
    def fit(cls, content_VC: Doubles, levels: int, codewords: int, seed: int) -> Self:
        """Fit codebooks; the same rows in the same order give the same bits.

        Args:
            content_VC: content, one row a video.
            levels: L.
            codewords: K at most; a level of fewer distinct residuals has fewer.
            seed: of the first centres.
        """
        # Seconds to load, for who fits codebooks and not for who reads them.
        from sklearn.cluster import KMeans
        from threadpoolctl import threadpool_limits

        deviation_C = content_VC.std(axis=0)
        mean_C, scale_C = content_VC.mean(axis=0), np.where(deviation_C > 0, deviation_C, 1.0)
        residual_VC = (content_VC - mean_C) / scale_C
        codebooks = []
        for _ in range(levels):
            size = min(codewords, len(np.unique(residual_VC, axis=0)))
            with threadpool_limits(limits=1):  # several threads add the parts of a centre in the order they finish
                found = KMeans(size, n_init=_STARTS, random_state=seed).fit(residual_VC)
            codebooks.append(np.asarray(found.cluster_centers_, dtype=np.float64))
            residual_VC = residual_VC - codebooks[-1][_nearest(residual_VC, codebooks[-1])]
        return cls(mean_C, scale_C, tuple(codebooks))

    @property
    def sizes(self) -> tuple[int, ...]:
        """K of every level."""
        return tuple(len(codebook) for codebook in self.codebooks)

    @property
    def width(self) -> int:
        """C."""
        return len(self.mean_C)

    def encode(self, content_VC: Doubles) -> Codes:
        """Return [V, L] codes from 0; a video's do not depend on which others are asked for."""
        residual_VC = (content_VC - self.mean_C) / self.scale_C
        codes_VL = np.empty((len(content_VC), len(self.codebooks)), dtype=np.int32)
        for level, codebook in enumerate(self.codebooks):
            codes_VL[:, level] = _nearest(residual_VC, codebook)
            residual_VC = residual_VC - codebook[codes_VL[:, level]]
        return codes_VL

    def reconstruct(self, codes_VL: Codes) -> Doubles:
        """Return [V, C] content that the first levels stand for, as many as there are columns."""
        levels = range(codes_VL.shape[1])
        standardised_VC = sum((self.codebooks[level][codes_VL[:, level]] for level in levels), np.zeros(self.width))
        content_VC: Doubles = standardised_VC * self.scale_C + self.mean_C
        return content_VC

    def errors(self, content_VC: Doubles, codes_VL: Codes) -> Sequence[float]:
        """Return the mean squared error per standardised number after 1, 2 ... L levels; NaN without videos.

        On the videos of the fit 1 is what no codes at all would leave.
        """
        if not len(content_VC):
            return [float("nan")] * codes_VL.shape[1]
        return [
            float((((content_VC - self.reconstruct(codes_VL[:, : level + 1])) / self.scale_C) ** 2).mean())
            for level in range(codes_VL.shape[1])
        ]


def _nearest(residual_VC: Doubles, codebook_KC: Doubles) -> Codes:
    """Return [V] the nearest codeword of each residual; of equally near ones the first."""
    parts = [np.empty(0, dtype=np.int32)]
    for start in range(0, len(residual_VC), _BLOCK):
        gap_VKC = residual_VC[start : start + _BLOCK, None] - codebook_KC
        # No matrix product: its last bits would depend on how many videos are asked for at once.
        parts.append((gap_VKC**2).sum(axis=-1).argmin(axis=1).astype(np.int32))
    return np.concatenate(parts)
