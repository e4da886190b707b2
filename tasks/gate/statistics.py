"""One-sided normal bounds, and the variance of seeds beside that of users."""

import math

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
