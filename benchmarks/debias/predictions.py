"""What two latent indices predict, for each of the populations one may mean.

Source: docs/methods/debias.md#predictions-by-population. `exposed` and `unexposed` describe rows as the logging policy
chose them; the interventional values, "if everybody were shown it", are for ranking. All float64, [B].

Shape legend: B rows.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from models.latent.bivariate_normal import log_ndtr, log_phi, log_phi2, normal_cdf


@dataclass(frozen=True)
class ByPopulation:
    """One prediction per row for each population.

    Attributes:
        everybody_B: under do(o = 1).
        exposed_B: given that the policy exposed the row.
        unexposed_B: given that it did not.
    """

    everybody_B: Tensor
    exposed_B: Tensor
    unexposed_B: Tensor


def probability(a_B: Tensor, b_B: Tensor, rho: Tensor) -> ByPopulation:
    """Return P(r = 1)."""
    a_B, b_B, rho = a_B.double(), b_B.double(), rho.double()
    return ByPopulation(
        normal_cdf(b_B),
        torch.exp(log_phi2(a_B, b_B, rho) - log_ndtr(a_B)),
        torch.exp(log_phi2(-a_B, b_B, -rho) - log_ndtr(-a_B)),
    )


def mean(a_B: Tensor, b_B: Tensor, rho: Tensor, sigma: Tensor) -> ByPopulation:
    """Return E[y] of a continuous label, on its own scale."""
    a_B, b_B, shift = a_B.double(), b_B.double(), rho.double() * sigma.double()
    density_B = log_phi(a_B)
    return ByPopulation(
        b_B,
        b_B + shift * torch.exp(density_B - log_ndtr(a_B)),
        b_B - shift * torch.exp(density_B - log_ndtr(-a_B)),
    )


def mean_seconds(a_B: Tensor, b_B: Tensor, rho: Tensor, sigma: Tensor) -> ByPopulation:
    """Return E[exp(y)] - 1 in seconds, for y = log(1 + seconds); where it is 0 or less, most of the mass is at 0 s."""
    a_B, b_B, shift = a_B.double(), b_B.double(), rho.double() * sigma.double()
    log_mean_B = b_B + 0.5 * sigma.double() ** 2
    return ByPopulation(
        torch.expm1(log_mean_B),
        torch.expm1(log_mean_B + log_ndtr(a_B + shift) - log_ndtr(a_B)),
        torch.expm1(log_mean_B + log_ndtr(-a_B - shift) - log_ndtr(-a_B)),
    )


def mean_seconds_censored(b_B: Tensor, sigma: Tensor) -> Tensor:
    """Return E[max(exp(y) - 1, 0)] in seconds under do(o = 1): the zero mass counts as 0 s, [B].

    Our derivation; the usual formula lets y fall below 0 and counts it as negative seconds.
    """
    b_B, sigma = b_B.double(), sigma.double()
    above_B = torch.exp(b_B + 0.5 * sigma**2 + log_ndtr(b_B / sigma + sigma))
    return above_B - torch.exp(log_ndtr(b_B / sigma))
