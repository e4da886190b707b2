"""Vectors of users and videos that are learned step by step from who watched what.

Shapes: U users, V videos, P watched pairs, B pairs of a step, D width.
"""

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn


class VectorFit(ABC):
    """What is learned, step by step."""

    @abstractmethod
    def step(self, user_B: Tensor, video_B: Tensor) -> None:
        """Learn from watched pairs."""

    @abstractmethod
    def vectors(self) -> tuple[Tensor, Tensor]:
        """Return copies of the vectors of users [U, D] and of videos [V, D] as they stand."""

    def epoch(self, user_P: Tensor, video_P: Tensor, batch_size: int, generator: torch.Generator) -> None:
        """Learn from every pair once, in an order that the generator draws."""
        order_P = torch.randperm(len(user_P), generator=generator)
        for begin in range(0, len(order_P), batch_size):
            pair_B = order_P[begin : begin + batch_size]
            self.step(user_P[pair_B], video_P[pair_B])


def first_vectors(rows: int, width: int, generator: torch.Generator) -> nn.Parameter:
    """Return vectors to begin with, as Xavier's normal initialisation draws them; [rows, width]."""
    return nn.Parameter(nn.init.xavier_normal_(torch.empty(rows, width), generator=generator))
