"""Proposers that learn a vector of every user and of every video: their fit, epoch by epoch, and their scores.

Shapes: U users and V videos of the fit days, D width, N users proposed to.
"""

from abc import abstractmethod
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.early_stopping import EarlyStopping
from models.retrieval.pair_vectors import VectorFit
from tasks.candidates.document import Health
from tasks.candidates.health import vector_health
from tasks.candidates.proposers.base import Judge, ScoringProposer
from tasks.candidates.top_k import Scores
from tasks.candidates.watches import NONE, Audience, Watches

Vectors = NDArray[np.float32]


class VectorProposer(ScoringProposer):
    """Scores by the inner product of a user's and a video's vector.

    Attributes:
        user_UD: vectors of users.
        video_VD: vectors of videos.
    """

    def __init__(self, user_UD: Vectors, video_VD: Vectors, health: Health | None = None) -> None:
        self.user_UD, self.video_VD, self._health = user_UD, video_VD, health

    @classmethod
    @abstractmethod
    def begin(cls, watches: Watches, config: Any, generator: torch.Generator) -> VectorFit:
        """Return what is learned, before the first step; the generator draws all that is drawn."""

    @classmethod
    def fit(cls, watches: Watches, config: Any, judge: Judge) -> Self:
        """Learn until the validation day sees no better epoch, and keep the best."""
        generator = torch.Generator().manual_seed(config.seed)
        learned = cls.begin(watches, config, generator)
        user_P, video_P = torch.from_numpy(watches.user_P), torch.from_numpy(watches.video_P)
        stopping = EarlyStopping[tuple[Tensor, Tensor]](config.max_epochs, config.patience)
        while not stopping.exhausted:
            learned.epoch(user_P, video_P, config.batch_size, generator)
            user_UD, video_VD = learned.vectors()
            stopping.improved(-judge(cls(user_UD.numpy(), video_VD.numpy())), learned.vectors)
        assert stopping.kept is not None
        user_UD, video_VD = stopping.kept
        health = vector_health(user_UD, video_VD, watches, stopping.best_epoch)
        return cls(user_UD.numpy(), video_VD.numpy(), health)

    @property
    def health(self) -> Health | None:
        """Alignment and uniformity of the vectors."""
        return self._health

    def scores(self, audience: Audience) -> Scores:
        """Return inner products of vectors as they are, not normalised; an unknown user's vector is 0."""
        user_ND = np.where((audience.user_N == NONE)[:, None], np.float32(0), self.user_UD[audience.user_N])
        score_NV: Scores = user_ND @ self.video_VD.T
        return score_NV
