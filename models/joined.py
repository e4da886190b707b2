"""Tensors one after the other; a single one as it is, where `torch.cat` would copy it."""

from collections.abc import Sequence

import torch
from torch import Tensor


def joined(parts: Sequence[Tensor]) -> Tensor:
    """Return at least one tensor joined along the first axis."""
    return parts[0] if len(parts) == 1 else torch.cat(list(parts))
