"""DirectAU: a vector of every user and video, learned by alignment and uniformity (docs/methods/retrieval.md#directau).

Shapes: U users, V videos, B pairs, D width.
"""

import torch
from torch import Tensor
from torch.nn import functional

from models.retrieval.alignment_uniformity import directau_loss
from models.retrieval.config import DirectAuOptions
from models.retrieval.vectors import VectorFit, first_vectors
from models.retrieval.watched import Watched
from models.row_sparse import RowSparseAdamW


class DirectAuFit(VectorFit):
    """Two tables, of which a step moves the rows of its batch.

    Args:
        watched: who watched what.
        width: D.
        options: weight of uniformity, step size, decay.
        generator: draws the first vectors.
    """

    def __init__(self, watched: Watched, width: int, options: DirectAuOptions, generator: torch.Generator) -> None:
        super().__init__(watched)
        self._options = options
        self._tables = [first_vectors(size, width, generator) for size in (watched.num_users, watched.num_videos)]
        self._optimizers = [RowSparseAdamW([of], options.learning_rate, options.weight_decay) for of in self._tables]

    def step(self, example_B: Tensor) -> None:
        """Take one step on alignment + gamma uniformity."""
        numbers = (self._user_P[example_B], self._video_P[example_B])
        for optimizer, number_B in zip(self._optimizers, numbers, strict=True):
            optimizer.prepare(number_B)
        user_BD, video_BD = (
            functional.embedding(number_B, table, sparse=True)
            for number_B, table in zip(numbers, self._tables, strict=True)
        )
        once = numbers if self._options.once else ()
        directau_loss(user_BD, video_BD, self._options.gamma, *once).backward()  # type: ignore[no-untyped-call]
        for optimizer in self._optimizers:
            optimizer.step(optimizer.gradients())

    def vectors(self) -> tuple[Tensor, Tensor]:
        """Return both tables."""
        for optimizer in self._optimizers:
            optimizer.catch_up_all()
        user_UD, video_VD = (table.detach().clone() for table in self._tables)
        return user_UD, video_VD
