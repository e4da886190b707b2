"""Mixtures of two Gaussians of many small samples at once, for labels that mix skipping and watching.

Shape legend: S samples, Q values of a sample, K = 2 components.
"""

import numpy as np
from numpy.typing import NDArray

ITERATIONS = 100
_LEAST_MASS = 1e-6
_LEAST_SPREAD = 1e-3


def two_means(values_SQ: NDArray[np.float64], least_spread: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the lower and the higher mean of a two-component mixture of every sample, by EM.

    Starts at the quartiles, so the result depends on nothing but the values.

    Args:
        values_SQ: the values of every sample.
        least_spread: floor of a component's standard deviation, as a share of the sample's largest value: an atom would
            make it 0 and its density infinite.
    """
    least_variance_S1 = np.maximum(least_spread * values_SQ.max(axis=1), _LEAST_SPREAD)[:, None] ** 2
    mean_SK = np.quantile(values_SQ, [0.25, 0.75], axis=1).T
    variance_SK = np.maximum(np.tile(values_SQ.var(axis=1)[:, None], 2), least_variance_S1)
    share_SK = np.full_like(mean_SK, 0.5)
    for _ in range(ITERATIONS):
        # E step in logs: far from both components either density underflows, their ratio does not.
        squared_SQK = (values_SQ[:, :, None] - mean_SK[:, None]) ** 2
        log_SQK = np.log(share_SK / np.sqrt(variance_SK))[:, None] - squared_SQK / (2 * variance_SK[:, None])
        weight_SQK = np.exp(log_SQK - np.logaddexp(log_SQK[..., 0], log_SQK[..., 1])[..., None])
        mass_SK = np.maximum(weight_SQK.sum(axis=1), _LEAST_MASS)
        # M step. A component that lost all its mass keeps its mean, so that no sample divides by zero.
        mean_SK = np.where(mass_SK > _LEAST_MASS, (weight_SQK * values_SQ[:, :, None]).sum(axis=1) / mass_SK, mean_SK)
        variance_SK = (weight_SQK * (values_SQ[:, :, None] - mean_SK[:, None]) ** 2).sum(axis=1) / mass_SK
        # A component on one repeated value would narrow for ever and its likelihood grow without bound.
        variance_SK = np.maximum(variance_SK, least_variance_S1)
        share_SK = mass_SK / mass_SK.sum(axis=1, keepdims=True)
    return mean_SK.min(axis=1), mean_SK.max(axis=1)
