"""Some columns of a tensor, by an index that lies where the module does: a list would be copied there at every step."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class Columns(nn.Module):
    """Takes slices along the second axis.

    Args:
        columns: their numbers, in the order wanted.
    """

    index: Tensor

    def __init__(self, columns: Sequence[int]) -> None:
        super().__init__()
        self.register_buffer("index", torch.tensor(columns, dtype=torch.int64), persistent=False)

    def forward(self, value: Tensor) -> Tensor:
        """Return the columns, [B, columns, ...]."""
        return value.index_select(1, self.index)
