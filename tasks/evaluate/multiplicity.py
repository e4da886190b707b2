"""How sure a difference is when many are looked at.

Source: docs/methods/metrics.md#any-two-models.
"""

import math
from collections.abc import Mapping
from typing import TypeVar

Key = TypeVar("Key")


def p_value(difference: float, standard_error: float) -> float:
    """Return the two-sided p-value of a difference under the normal law.

    NaN where it is undefined; 1 of a model against itself, which differs by nothing with a standard error of 0.
    """
    if not math.isfinite(difference) or not math.isfinite(standard_error):
        return math.nan
    if standard_error == 0:
        return 1.0 if difference == 0 else 0.0
    return math.erfc(abs(difference) / standard_error / math.sqrt(2))


def holm(p_values: Mapping[Key, float]) -> dict[Key, float]:
    """Return p-values adjusted by Holm's step-down rule; undefined ones are no part of the family, and stay NaN.

    To call those at most alpha different names a wrong one with a chance of alpha at most, however they depend on each
    other.
    """
    family = sorted((key for key, p in p_values.items() if not math.isnan(p)), key=lambda key: p_values[key])
    adjusted, so_far = dict(p_values), 0.0
    for place, key in enumerate(family):
        so_far = max(so_far, min(1.0, (len(family) - place) * p_values[key]))
        adjusted[key] = so_far
    return adjusted
