"""RQ-KMeans: k-means of the content, then of what is left of it, level after level (docs/methods/representation.md#rq-kmeans).

Shapes: V videos, C numbers of a content vector, L levels, K codewords of a level, D numbers of a codeword.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np

from tasks.table.items.config import CodedItems
from tasks.table.items.tokenizer import (
    Codes,
    Doubles,
    Tokenizer,
    added_up,
    nearest,
    residual_codes,
    standardising,
)

_STARTS = 3
"""Runs of k-means, of which the best is kept."""


@dataclass(frozen=True, eq=False)
class RqKMeans(Tokenizer):
    """A residual quantiser of standardised content; codewords are its centres, D = C."""

    kind = "rq_kmeans"

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
        mean_C, scale_C = standardising(content_VC)
        return cls(mean_C, scale_C, residual_centres((content_VC - mean_C) / scale_C, levels, codewords, seed))

    @classmethod
    def fitted(cls, content_VC: Doubles, config: CodedItems, codewords: int) -> Self:
        return cls.fit(content_VC, config.levels, codewords, config.seed)

    @classmethod
    def restored(
        cls, mean_C: Doubles, scale_C: Doubles, codebooks: tuple[Doubles, ...], arrays: Mapping[str, Doubles]
    ) -> Self:
        return cls(mean_C, scale_C, codebooks)

    def _codes(self, standardised_VC: Doubles) -> Codes:
        return residual_codes(standardised_VC, self.codebooks)

    def _standardised(self, codes_VL: Codes) -> Doubles:
        return added_up(codes_VL, self.codebooks)


def residual_centres(vector_VD: Doubles, levels: int, codewords: int, seed: int) -> tuple[Doubles, ...]:
    """Return the centres of k-means of vectors, then of what is left of them; arguments as for `RqKMeans.fit`."""
    # Seconds to load, for who fits codebooks and not for who reads them.
    from sklearn.cluster import KMeans
    from threadpoolctl import threadpool_limits

    codebooks = []
    for _ in range(levels):
        size = min(codewords, len(np.unique(vector_VD, axis=0)))
        with threadpool_limits(limits=1):  # several threads add the parts of a centre in the order they finish
            found = KMeans(size, n_init=_STARTS, random_state=seed).fit(vector_VD)
        codebooks.append(np.asarray(found.cluster_centers_, dtype=np.float64))
        vector_VD = vector_VD - codebooks[-1][nearest(vector_VD, codebooks[-1])]
    return tuple(codebooks)
