"""DirectAU: a vector of every user and video, learned by alignment and uniformity (docs/methods/retrieval.md#directau).

Shapes: U users, V videos, B pairs, D width.
"""

import torch
from torch import Tensor
from torch.nn import functional

from models.retrieval.alignment_uniformity import directau_loss
from models.retrieval.pair_vectors import VectorFit, first_vectors
from tasks.candidates.config import DirectAuConfig
from tasks.candidates.proposers.vectors import VectorProposer
from tasks.candidates.watches import Watches
from tasks.train.row_sparse import RowSparseAdamW


class DirectAuFit(VectorFit):
    """Two tables, of which a step moves the rows of its batch."""

    def __init__(self, watches: Watches, config: DirectAuConfig, generator: torch.Generator) -> None:
        self._config = config
        self._tables = [
            first_vectors(size, config.width, generator) for size in (watches.num_users, watches.num_videos)
        ]
        self._optimizers = [RowSparseAdamW([of], config.learning_rate, config.weight_decay) for of in self._tables]

    def step(self, user_B: Tensor, video_B: Tensor) -> None:
        """Take one step on alignment + gamma uniformity."""
        numbers = (user_B, video_B)
        for optimizer, number_B in zip(self._optimizers, numbers, strict=True):
            optimizer.prepare(number_B)
        user_BD, video_BD = (
            functional.embedding(number_B, table, sparse=True)
            for number_B, table in zip(numbers, self._tables, strict=True)
        )
        once = numbers if self._config.once else ()
        directau_loss(user_BD, video_BD, self._config.gamma, *once).backward()  # type: ignore[no-untyped-call]
        for optimizer in self._optimizers:
            optimizer.step(optimizer.gradients())

    def vectors(self) -> tuple[Tensor, Tensor]:
        """Return both tables."""
        for optimizer in self._optimizers:
            optimizer.catch_up_all()
        user_UD, video_VD = (table.detach().clone() for table in self._tables)
        return user_UD, video_VD


class DirectAu(VectorProposer):
    """A user's vector beside those of the videos that user watched, and all vectors apart from each other."""

    @classmethod
    def begin(cls, watches: Watches, config: DirectAuConfig, generator: torch.Generator) -> DirectAuFit:
        """Draw the first vectors."""
        return DirectAuFit(watches, config, generator)
