"""Probabilities as logarithms: what turns log p into log(1 - p) or a logit without losing p near 0 or 1."""

import math

import torch
from torch import Tensor

_LARGEST_LOG = -1e-37
"""Near the largest negative float32: log(1 - e^x) stays finite, and its gradient alive."""
_LARGEST_LOG_OF_LOGIT = -1e-7
"""Keeps a logit below 17 and its gradient below 1e7."""


def log_complement(log_p: Tensor) -> Tensor:
    """Return log(1 - e^x) for x <= 0, finite and without cancellation; p within 1e-37 of 1 is taken for that."""
    x = log_p.clamp(max=_LARGEST_LOG)
    near_one = x > -math.log(2)
    # Each branch sees a harmless value where the other is taken: a NaN there would reach the gradient.
    from_expm1 = torch.log(-torch.expm1(torch.where(near_one, x, -1.0)))
    from_log1p = torch.log1p(-torch.exp(torch.where(near_one, -1.0, x)))
    return torch.where(near_one, from_expm1, from_log1p)


def logit_of_log(log_p: Tensor) -> Tensor:
    """Return log p - log(1 - p) without losing p near 0 or 1; finite for every log p <= 0."""
    bounded = log_p.clamp(max=_LARGEST_LOG_OF_LOGIT)
    return bounded - log_complement(bounded)
