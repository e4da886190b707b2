"""The estimators, each a ratio of sums over rows, so that one bootstrap serves all of them.

Source: docs/methods/debias.md#off-policy-evaluation. Every regularised estimator has one number that trades variance
for bias; infinity leaves it unbiased. An estimator is one function and one line of `ESTIMATORS`.

Shapes: B rows.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from tasks.evaluate.metrics.inputs import FloatArray
from tasks.evaluate.metrics.point import row_ratio
from tasks.evaluate.metrics.user_statistics import UserSums
from tasks.evaluate.policy_value.log import PolicyLog


def clipped(weight_B: FloatArray, clip: float) -> FloatArray:
    """Return min(w, clip)."""
    return np.minimum(weight_B, clip)


def switched(weight_B: FloatArray, tau: float) -> FloatArray:
    """Return w where w <= tau, else 0; tau = 0 leaves the reward model alone."""
    return np.where(weight_B <= tau, weight_B, 0.0)


def shrunk(weight_B: FloatArray, shrinkage: float) -> FloatArray:
    """Return lambda w / (w^2 + lambda): w for lambda = infinity, 0 for lambda = 0; largest at w = sqrt(lambda)."""
    if shrinkage == 0:
        return np.zeros(weight_B.size)
    result: FloatArray = weight_B / (1 + np.square(weight_B) / shrinkage)
    return result


def untouched(weight_B: FloatArray, _parameter: float) -> FloatArray:
    """Return the weights."""
    return weight_B


def ignored(weight_B: FloatArray, _parameter: float) -> FloatArray:
    """Return weights of 0."""
    return np.zeros(weight_B.size)


def plain(log: PolicyLog, weight_B: FloatArray) -> UserSums:
    """Return mean w r."""
    return row_ratio(weight_B * log.reward_B, np.ones(weight_B.size), log.units)


def self_normalised(log: PolicyLog, weight_B: FloatArray) -> UserSums:
    """Return sum w r / sum w."""
    return row_ratio(weight_B * log.reward_B, weight_B, log.units)


def corrected(log: PolicyLog, weight_B: FloatArray) -> UserSums:
    """Return mean [ q(x, pi_e) + w (r - q(x, a)) ]."""
    value_B = log.expected_B + weight_B * (log.reward_B - log.fitted_B)
    return row_ratio(value_B, np.ones(weight_B.size), log.units)


@dataclass(frozen=True)
class Estimator:
    """An estimator: what it does to the weights, then what it averages.

    Attributes:
        weights: (w, parameter) -> the weights used.
        average: (log, weights used) -> the estimate as sums per unit.
    """

    weights: Callable[[FloatArray, float], FloatArray]
    average: Callable[[PolicyLog, FloatArray], UserSums]

    def __call__(self, log: PolicyLog, parameter: float = np.inf) -> UserSums:
        """Return the estimate as sums per unit; `parameter` is the clip, tau or lambda."""
        return self.average(log, self.weights(log.weight_B, parameter))


ESTIMATORS: Mapping[str, Estimator] = {
    "ips": Estimator(untouched, plain),
    "ips_clipped": Estimator(clipped, plain),
    "snips": Estimator(untouched, self_normalised),
    "snips_clipped": Estimator(clipped, self_normalised),
    "dm": Estimator(ignored, corrected),
    "dr": Estimator(untouched, corrected),
    "switch_dr": Estimator(switched, corrected),
    "dr_os": Estimator(shrunk, corrected),
}
