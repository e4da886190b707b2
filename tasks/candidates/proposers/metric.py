"""A distance between users and videos, learned from content (docs/methods/retrieval.md#metric-learning).

Shapes: N users proposed to, V videos.
"""

from typing import Any, Self

import numpy as np
import torch

from models.retrieval.metric import MetricFit
from models.retrieval.watched import NONE
from tasks.candidates.audience import Audience
from tasks.candidates.config import MetricConfig
from tasks.candidates.proposers.base import Judge
from tasks.candidates.proposers.vectors import VectorProposer
from tasks.candidates.top_k import Scores
from tasks.table.watches import Watches


class Metric(VectorProposer):
    """The videos nearest to where a user's last ones are, watched by anybody or not."""

    @classmethod
    def begin(cls, watches: Watches, config: MetricConfig, generator: torch.Generator) -> MetricFit:
        """Draw the first weights."""
        return MetricFit(watches, config.width, config, generator)

    @classmethod
    def fit(cls, watches: Watches, config: Any, judge: Judge) -> Self:
        """Learn from the watches of videos that have content.

        Raises:
            TrainingError: if none has.
        """
        return super().fit(watches.with_content("proposers of kind metric"), config, judge)

    def scores(self, audience: Audience) -> Scores:
        """Return the squared distance, its sign turned; -inf of a video without content, 0 of all where a user has no past."""
        user_ND = np.where((audience.user_N == NONE)[:, None], np.float32(np.nan), self.user_UD[audience.user_N])
        user_N, video_V = (np.square(of).sum(axis=1) for of in (user_ND, self.video_VD))
        score_NV: Scores = 2 * user_ND @ self.video_VD.T - user_N[:, None] - video_V
        score_NV[:, np.isnan(video_V)] = -np.inf
        score_NV[np.isnan(user_N)] = 0
        return score_NV
