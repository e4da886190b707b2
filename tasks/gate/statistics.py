"""Bounds and tests behind the verdicts: one-sided normal bounds, seed variance, Holm's step-down procedure."""

import math
from collections.abc import Mapping
from statistics import NormalDist

from tasks.evaluate.comparison import PairedMetric


def lower_bound(delta: float, standard_error: float, z: float) -> float:
    """Return `delta - z * standard_error`; NaN where either is undefined."""
    return delta - z * standard_error


def upper_bound(delta: float, standard_error: float, z: float) -> float:
    """Return `delta + z * standard_error`; NaN where either is undefined."""
    return delta + z * standard_error


def with_seed_variance(metric: PairedMetric) -> float:
    """Return the s.e. of the difference of two seed-averaged models: users and seeds.

    Source: docs/methods/metrics.md#promotion-gate. NaN where a side has one seed only: its seed variance is then
    unknown.
    """
    return math.sqrt(
        metric.standard_error**2
        + metric.candidate_seed_sd**2 / metric.candidate_num_seeds
        + metric.reference_seed_sd**2 / metric.reference_num_seeds
    )


def superiority_p_value(delta: float, standard_error: float) -> float:
    """Return the one-sided p-value of "the candidate is not better"; 1 for an undefined difference or an exact tie."""
    if math.isnan(delta) or math.isnan(standard_error):
        return 1.0
    if standard_error == 0:
        return 0.0 if delta > 0 else 1.0
    return 1 - NormalDist().cdf(delta / standard_error)


def holm(p_values: Mapping[str, float]) -> dict[str, float]:
    """Return Holm-adjusted p-values: rejecting where they are <= alpha keeps the family-wise error below alpha.

    The k-th smallest of m is multiplied by m - k + 1; adjusted values never fall below an earlier one, nor exceed 1.
    """
    adjusted: dict[str, float] = {}
    running = 0.0
    for rank, name in enumerate(sorted(p_values, key=lambda name: (p_values[name], name))):
        running = max(running, min(1.0, (len(p_values) - rank) * p_values[name]))
        adjusted[name] = running
    return adjusted
