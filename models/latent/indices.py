"""The two indices of a selection model as functions of given inputs.

Shape legend: N rows, X features of both indices, Z features that move exposure only.
"""

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn


class Indices(nn.Module, ABC):
    """Gives a (exposure) and b (outcome) of every row of one data set; float64.

    Attributes:
        num_apart: Z; more than 0 is an exclusion restriction, which identifies the correlation.
    """

    num_apart: int

    @abstractmethod
    def forward(self) -> tuple[Tensor, Tensor]:
        """Return a [N] and b [N]."""


class Linear(Indices):
    """a = [x, z, 1] alpha, b = [x, 1] beta, starting at 0.

    Args:
        x_NX: features of both indices.
        apart_NZ: features of the exposure alone; None: there are none.
    """

    exposure_NP: Tensor
    outcome_NQ: Tensor

    def __init__(self, x_NX: Tensor, apart_NZ: Tensor | None = None) -> None:
        super().__init__()
        x_NX, one_N1 = x_NX.double(), torch.ones(len(x_NX), 1, dtype=torch.float64)
        apart = [] if apart_NZ is None else [apart_NZ.double()]
        self.num_apart = sum(part.shape[1] for part in apart)
        self.register_buffer("exposure_NP", torch.cat([x_NX, *apart, one_N1], dim=1))
        self.register_buffer("outcome_NQ", torch.cat([x_NX, one_N1], dim=1))
        self.alpha = nn.Parameter(torch.zeros(self.exposure_NP.shape[1], dtype=torch.float64))
        self.beta = nn.Parameter(torch.zeros(self.outcome_NQ.shape[1], dtype=torch.float64))

    def forward(self) -> tuple[Tensor, Tensor]:
        """Return a [N] and b [N]."""
        return self.exposure_NP @ self.alpha, self.outcome_NQ @ self.beta
