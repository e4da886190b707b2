"""Means over all batches trained on so far, held in buffers."""

import torch
from torch import Tensor


@torch.no_grad()
def add_batch(mean: Tensor, steps: Tensor, batch: Tensor, seen: Tensor) -> None:
    """Take the mean of one more batch into that of all, in place.

    Args:
        mean: of the batches before, of any shape.
        steps: how many there were, int64 ().
        batch: the mean of this one.
        seen: bool (), whether it counts; else nothing changes.
    """
    steps += seen.long()
    mean += torch.where(seen, (batch - mean) / steps.clamp(min=1), 0.0)
