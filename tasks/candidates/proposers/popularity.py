"""The videos that most users watched on the fit days (docs/methods/retrieval.md#floors)."""

from typing import Self

import numpy as np

from tasks.candidates.audience import Audience
from tasks.candidates.config import PopularityConfig
from tasks.candidates.proposers.base import Judge, ScoringProposer
from tasks.candidates.top_k import Scores
from tasks.table.watches import Watches


class Popularity(ScoringProposer):
    """The same order for everybody, less what a user was shown."""

    def __init__(self, watches: Watches) -> None:
        self._watchers_V = watches.watchers.astype(np.float32)

    @classmethod
    def fit(cls, watches: Watches, config: PopularityConfig, judge: Judge) -> Self:
        """Count watchers."""
        return cls(watches)

    def scores(self, audience: Audience) -> Scores:
        """Return the users who watched each video."""
        return np.tile(self._watchers_V, (len(audience), 1))
