"""The bivariate normal CDF by simulation: smooth in its arguments, for what has no quadrature.

Shape legend: M draws; "..." any shape, broadcast together.
"""

import math
from typing import Literal

import torch
from torch import Tensor
from torch.special import ndtri

from models.latent.bivariate_normal import log_ndtr

Scheme = Literal["antithetic", "sobol"]


def uniforms(shape: torch.Size, draws: int, scheme: Scheme, generator: torch.Generator | None = None) -> Tensor:
    """Return fresh draws in (0, 1), float64 [..., M].

    Args:
        shape: one independent set of draws for each element.
        draws: M, even for antithetic draws.
        scheme: `antithetic`: M / 2 independent draws and their complements; `sobol`: the first M points of the Sobol
            sequence, which are evenly spread, shifted at random as one and wrapped around.
        generator: source of randomness; None is torch's own.

    Raises:
        ValueError: if antithetic draws are asked for in an odd number.
    """
    if scheme == "antithetic":
        if draws % 2:
            raise ValueError(f"antithetic draws come in pairs, but draws={draws} is odd")
        half = torch.rand(*shape, draws // 2, dtype=torch.float64, generator=generator)
        u = torch.cat([half, 1 - half], dim=-1)
    else:
        engine = torch.quasirandom.SobolEngine(1)  # type: ignore[no-untyped-call]
        points_M = engine.draw(draws, dtype=torch.float64)[:, 0]
        u = (points_M + torch.rand(*shape, 1, dtype=torch.float64, generator=generator)) % 1
    return u.clamp(1e-12, 1 - 1e-12)


def log_phi2_ghk(
    a: Tensor,
    b: Tensor,
    rho: Tensor,
    draws: int = 50,
    scheme: Scheme = "antithetic",
    generator: torch.Generator | None = None,
) -> Tensor:
    """Return log of an unbiased estimate of P(X <= a, Y <= b), in float64; smooth in a, b and rho.

    Source: the GHK sampler, docs/methods/debias.md#ghk-sampler: -X is drawn given X <= a by inversion, and the rest is
    exact. Its log is low by half the squared relative error (Jensen's inequality).

    Args:
        a: upper limit of X, [...]; above -37, where Phi(a) leaves float64.
        b: upper limit of Y, [...].
        rho: correlation, [...].
        draws: M per element, fresh in every call.
        scheme: see `uniforms`.
        generator: source of randomness; None is torch's own.
    """
    a, b, rho = a.double(), b.double(), rho.double()
    log_phi_a = log_ndtr(a) + 0 * (b + rho)
    u_M = uniforms(log_phi_a.shape, draws, scheme, generator).to(a.device)
    # Inversion: u Phi(a) is uniform below Phi(a), so -ndtri of it is -X given X <= a.
    noise_M = -ndtri(u_M * torch.exp(log_phi_a).unsqueeze(-1))
    s = torch.sqrt((1 - rho) * (1 + rho))
    # Given X, Y is normal with mean rho X and s.d. s; its sign is turned because -X was drawn.
    inner_M = (b.unsqueeze(-1) + rho.unsqueeze(-1) * noise_M) / s.unsqueeze(-1)
    return log_phi_a + torch.logsumexp(log_ndtr(inner_M), dim=-1) - math.log(draws)
