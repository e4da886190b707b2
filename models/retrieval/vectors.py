"""What every fit of a vector for each user and each video shares, whoever asks for it.

Shapes: U users, V videos, N examples, B examples of a step, D width.
"""

from abc import ABC, abstractmethod

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from models.retrieval.watched import Watched

Flags = NDArray[np.bool_]


class VectorFit(ABC):
    """What is learned, step by step.

    Args:
        watched: who watched what.
    """

    def __init__(self, watched: Watched) -> None:
        self._watched = watched
        self._user_P, self._video_P = torch.from_numpy(watched.user_P), torch.from_numpy(watched.video_P)

    @property
    def num_examples(self) -> int:
        """N: the watched pairs."""
        return len(self._user_P)

    @abstractmethod
    def step(self, example_B: Tensor) -> None:
        """Learn from some examples, by their numbers."""

    @abstractmethod
    def vectors(self) -> tuple[Tensor, Tensor]:
        """Return copies of the vectors of users [U, D] and of videos [V, D] as they stand."""

    @property
    def known(self) -> tuple[Flags, Flags]:
        """Which users [U] and videos [V] anything is learned of: those with a pair."""
        watched = self._watched
        user_U, video_V = (
            np.bincount(watched.user_P, minlength=watched.num_users),
            np.bincount(watched.video_P, minlength=watched.num_videos),
        )
        return user_U > 0, video_V > 0

    def one_pass(self, batch_size: int, generator: torch.Generator) -> None:
        """Learn from every example once, in an order that the generator draws."""
        order_N = torch.randperm(self.num_examples, generator=generator)
        for begin in range(0, len(order_N), batch_size):
            self.step(order_N[begin : begin + batch_size])


def first_vectors(rows: int, width: int, generator: torch.Generator) -> nn.Parameter:
    """Return vectors to begin with, as Xavier's normal initialisation draws them; [rows, width]."""
    return nn.Parameter(nn.init.xavier_normal_(torch.empty(rows, width), generator=generator))
