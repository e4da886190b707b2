"""Videos drawn by a hash of user and video: what a proposer that knows nothing reaches (docs/methods/retrieval.md#floors)."""

from typing import Self

import numpy as np

from models.retrieval.watched import Ids
from tasks.candidates.audience import Audience
from tasks.candidates.config import RandomConfig
from tasks.candidates.proposers.base import Judge, ScoringProposer
from tasks.candidates.top_k import Scores
from tasks.evaluate.metrics.ranked_lists import tie_hash
from tasks.table.watches import Watches


class Random(ScoringProposer):
    """The control."""

    def __init__(self, video_id_V: Ids, seed: int) -> None:
        self._video_id_V, self._seed = video_id_V, seed

    @classmethod
    def fit(cls, watches: Watches, config: RandomConfig, judge: Judge) -> Self:
        """Learn nothing but the catalogue."""
        return cls(watches.video_id_V, config.seed)

    def scores(self, audience: Audience) -> Scores:
        """Return a hash of user and video."""
        user_NV, video_NV = np.broadcast_arrays(audience.user_id_N[:, None], self._video_id_V)
        return tie_hash(user_NV, video_NV, np.zeros_like(user_NV), self._seed).astype(np.float32)
