"""Each prediction against the simulated mean of the population it describes."""

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from benchmarks.debias import predictions
from models.latent.bivariate_normal import normal_cdf
from tests.models.latent.conftest import noise

__all__ = ["noise"]

A, B, SIGMA, ROWS = -0.6, 0.3, 0.8, 400_000


def number(value: float) -> Tensor:
    return torch.tensor(value, dtype=torch.float64)


def close(values: Tensor, expected: Tensor) -> None:
    error = values.std() / math.sqrt(len(values))
    assert abs(values.mean() - expected) <= 3 * error


@pytest.mark.parametrize("rho", [-0.7, 0.0, 0.5, 0.9])
def test_simulated_conditional_means(rho: float, noise: Callable[..., Any]) -> None:
    u_o, u_r = noise(ROWS, rho, 7)
    exposed, y = A + u_o > 0, B + SIGMA * u_r
    at = (number(A), number(B), number(rho))
    for values, found in (
        ((B + u_r > 0).double(), predictions.probability(*at)),
        (y, predictions.mean(*at, number(SIGMA))),
        (torch.expm1(y), predictions.mean_seconds(*at, number(SIGMA))),
    ):
        close(values, found.everybody_B)
        close(values[exposed], found.exposed_B)
        close(values[~exposed], found.unexposed_B)
    close(torch.expm1(y).clamp(min=0), predictions.mean_seconds_censored(number(B), number(SIGMA)))


def test_populations_add_up() -> None:
    """E = P(o = 1) E[. | exposed] + P(o = 0) E[. | not exposed]."""
    a, b = torch.randn(2, 300, dtype=torch.float64) * 3
    share = normal_cdf(a)
    for found in (
        predictions.probability(a, b, number(-0.8)),
        predictions.mean(a, b, number(0.6), number(SIGMA)),
        predictions.mean_seconds(a, b, number(0.6), number(SIGMA)),
    ):
        mixed = share * found.exposed_B + (1 - share) * found.unexposed_B
        torch.testing.assert_close(mixed, found.everybody_B, rtol=1e-9, atol=1e-9)
