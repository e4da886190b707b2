"""How far two ways of computing one number may lie apart: rounding, which grows with the number and its type.

Kernels of another CPU (AVX2, AVX-512) or another batch size sum in another order. A tolerance in absolute terms holds on
the machine it was found on; one in units in the last place holds on all.
"""

import torch


def ulps(count: int, dtype: torch.dtype = torch.float32) -> float:
    """Return the relative tolerance of `count` roundings: machine epsilon times `count`."""
    return count * torch.finfo(dtype).eps
