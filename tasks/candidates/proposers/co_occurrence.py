"""Videos that those watched who watched the same (docs/methods/retrieval.md#floors).

Shapes: N users proposed to, V videos.
"""

from typing import Self

import numpy as np
from scipy import sparse

from models.retrieval.watched import NONE
from tasks.candidates.audience import Audience
from tasks.candidates.config import CoOccurrenceConfig
from tasks.candidates.proposers.base import Judge, ScoringProposer
from tasks.candidates.top_k import Scores
from tasks.table.watches import Watches


class CoOccurrence(ScoringProposer):
    """Sum over the videos a user watched of their cosine with the video in question, over all users of the fit days."""

    def __init__(self, watches: Watches) -> None:
        count_V = np.maximum(watches.watchers, 1)
        scale_VV = sparse.diags_array(1 / np.sqrt(count_V))
        together_VV = watches.matrix.T @ watches.matrix
        together_VV.setdiag(0)
        self._similar_VV = (scale_VV @ together_VV @ scale_VV).tocsr()
        self._watched_UV = watches.matrix

    @classmethod
    def fit(cls, watches: Watches, config: CoOccurrenceConfig, judge: Judge) -> Self:
        """Count pairs of videos that a user watched both of."""
        return cls(watches)

    def scores(self, audience: Audience) -> Scores:
        """Return summed cosines; 0 where nobody watched a video together with one of the user's."""
        score_NV = np.zeros((len(audience), self._similar_VV.shape[0]), dtype=np.float32)
        known_N = audience.user_N != NONE
        score_NV[known_N] = (self._watched_UV[audience.user_N[known_N]] @ self._similar_VV).toarray()
        return score_NV
