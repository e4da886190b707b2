"""A reference for the bivariate normal CDF that shares nothing with the code, and correlated noise."""

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy.special import log_ndtr
from torch import Tensor

from models.latent.correlation import Correlation

NODES, WEIGHTS = np.polynomial.legendre.leggauss(40)


@torch.no_grad()
def start_at(correlation: Correlation, rho: float) -> None:
    """Set a learned rho."""
    assert correlation.kappa is not None
    correlation.kappa.fill_(math.atanh(rho / correlation.bound))


def reference(a: float, b: float, rho: float) -> float:
    """Return log Phi2 by 400 panels of 40 nodes over phi(x) Phi((M - rho x) / s), scaled by the largest value."""
    m, upper, s = min(a, b), max(a, b), math.sqrt((1 - rho) * (1 + rho))

    def log_integrand(x: np.ndarray) -> np.ndarray:
        values: np.ndarray = -0.5 * x * x - 0.5 * math.log(2 * math.pi) + log_ndtr((upper - rho * x) / s)
        return values

    grid = np.linspace(min(m, 0) - 40, m, 4001)
    values = log_integrand(grid)
    top = values.max()
    edges = np.linspace(max(grid[values > top - 45][0] - 0.02, grid[0]), m, 401)
    half = np.diff(edges) / 2
    x = (edges[1:] + edges[:-1])[:, None] / 2 + half[:, None] * NODES
    return float(top + math.log((np.exp(log_integrand(x) - top) * WEIGHTS * half[:, None]).sum()))


@pytest.fixture(scope="session")
def log_phi2_reference() -> Callable[[Tensor, Tensor, float], np.ndarray]:
    """Return log Phi2 of vectors of indices, one by one."""
    return lambda a, b, rho: np.array([reference(x, y, rho) for x, y in zip(a.tolist(), b.tolist(), strict=True)])


@pytest.fixture(scope="session")
def noise() -> Callable[[int, float, int], tuple[Tensor, Tensor]]:
    """Return the maker of correlated standard normals: (rows, rho, seed) -> U_O, U_R."""

    def draw(rows: int, rho: float, seed: int) -> tuple[Tensor, Tensor]:
        first, second = torch.randn(2, rows, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
        return first, rho * first + math.sqrt(1 - rho**2) * second

    return draw
