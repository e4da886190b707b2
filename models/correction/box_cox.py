"""Box-Cox transforms of ratios: a power per bucket, the one under which the ratios look most normal.

Shape legend: B rows.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

LOG_BELOW = 1e-8
"""A power nearer to 0 than this is the logarithm."""
MOST_TRANSFORMED = 6.0
LEAST_RATIO, MOST_RATIO = 0.1, 10.0
_LEAST_BASE = 1e-8
_POWERS = np.linspace(-1.0, 1.0, 201)


def box_cox(ratio_B: Tensor, power_B: Tensor) -> Tensor:
    """Return (r^lambda - 1) / lambda, ln r at lambda = 0, [B].

    Args:
        ratio_B: r > 0.
        power_B: lambda of each row.
    """
    log_B, is_log_B = ratio_B.log(), power_B.abs() <= LOG_BELOW
    safe_B = torch.where(is_log_B, torch.ones_like(power_B), power_B)
    return torch.where(is_log_B, log_B, torch.expm1(safe_B * log_B) / safe_B)


def inverse_box_cox(transformed_B: Tensor, power_B: Tensor) -> Tensor:
    """Return max(lambda c + 1, 1e-8)^(1 / lambda), exp c at lambda = 0, with c cut at 6 and the ratio to [.1, 10], [B]."""
    inside_B = transformed_B.clamp(-MOST_TRANSFORMED, MOST_TRANSFORMED)
    is_log_B = power_B.abs() <= LOG_BELOW
    safe_B = torch.where(is_log_B, torch.ones_like(power_B), power_B)
    log_B = torch.log1p((safe_B * inside_B).clamp(min=_LEAST_BASE - 1)) / safe_B
    return torch.where(is_log_B, inside_B, log_B).clamp(np.log(LEAST_RATIO), np.log(MOST_RATIO)).exp()


def likeliest_power(ratio: NDArray[np.float64]) -> float:
    """Return the power in [-1, 1] of highest profile likelihood, to .01; 1, which changes nothing, where ratios are alike.

    Source: Box and Cox 1964: -n/2 ln var(c) + (lambda - 1) sum ln r.

    Args:
        ratio: positive, [rows].
    """
    log = np.log(ratio)
    if len(log) < 2 or np.ptp(log) == 0:
        return 1.0
    found = [_profile(log, power) for power in _POWERS]
    return float(_POWERS[int(np.argmax(found))])


def _profile(log: NDArray[np.float64], power: float) -> float:
    transformed = log if abs(power) <= LOG_BELOW else np.expm1(power * log) / power
    return float(-len(log) / 2 * np.log(transformed.var()) + (power - 1) * log.sum())
