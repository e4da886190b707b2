"""Log-likelihoods of one row under two latent indices with correlated normal noise, one function per kind of row.

    z_O = a + U_O, o = 1{z_O > 0};  z_R = b + U_R, r = 1{z_R > 0}, or y = b + sigma U_R;  corr(U_O, U_R) = rho

Source: docs/methods/debias.md#exact-likelihood. Everything is computed and returned in float64. `rho` and `log_sigma`
broadcast, so they may be one number or one per row. Values of rows of another kind are meaningless but finite.

Shape legend: B rows.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from models.latent.bivariate_normal import log_ndtr, log_phi, log_phi2
from models.logspace import log_complement

LogCdf = Callable[[Tensor, Tensor, Tensor], Tensor]
"""(a, b, rho) -> log Phi2: `log_phi2`, or an estimator of it."""

FAR = 40.0
"""An index beyond which Phi is 0 or 1 in float64; stands for infinity, which quadrature cannot take."""


def unobserved(a_B: Tensor, candidate_B: Tensor | None = None) -> Tensor:
    """Return log P(o = 0), [B]: log(1 - q Phi(a)) of a pair that was a candidate with probability q.

    Args:
        a_B: index of exposure.
        candidate_B: q in [0, 1]; None: 1, every pair was a candidate.
    """
    refused_B = log_ndtr(-a_B.double())
    if candidate_B is None:
        return refused_B
    candidate_B = candidate_B.double()
    return torch.logaddexp(torch.log(candidate_B) + refused_B, torch.log1p(-candidate_B))


def binary(a_B: Tensor, b_B: Tensor, label_B: Tensor, rho: Tensor, log_cdf: LogCdf = log_phi2) -> Tensor:
    """Return log P(o = 1, r), [B], for labels 0/1."""
    sign_B = 2 * label_B.double() - 1
    return log_cdf(a_B.double(), sign_B * b_B.double(), sign_B * rho.double())


def continuous(a_B: Tensor, b_B: Tensor, y_B: Tensor, rho: Tensor, log_sigma: Tensor) -> Tensor:
    """Return the log of the density of (o = 1, y), [B]; a closed form (Heckman)."""
    rho = rho.double()
    v_B = _standardised(y_B, b_B, log_sigma)
    exposed_B = log_ndtr((a_B.double() + rho * v_B) / torch.sqrt((1 - rho) * (1 + rho)))
    return log_phi(v_B) - log_sigma.double() + exposed_B


def left_censored(
    a_B: Tensor, b_B: Tensor, cut_B: Tensor, rho: Tensor, log_sigma: Tensor, log_cdf: LogCdf = log_phi2
) -> Tensor:
    """Return log P(o = 1, y <= cut), [B]: all that is known of a watch time of 0."""
    return log_cdf(a_B.double(), _standardised(cut_B, b_B, log_sigma), -rho.double())


def right_censored(
    a_B: Tensor, b_B: Tensor, cut_B: Tensor, rho: Tensor, log_sigma: Tensor, log_cdf: LogCdf = log_phi2
) -> Tensor:
    """Return log P(o = 1, y > cut), [B]: all that is known of a complete play."""
    return log_cdf(a_B.double(), -_standardised(cut_B, b_B, log_sigma), rho.double())


def ordinal(a_B: Tensor, b_B: Tensor, lower_B: Tensor, upper_B: Tensor, rho: Tensor) -> Tensor:
    """Return log P(o = 1, lower < z_R <= upper), [B]: graded feedback between two cut points, which may be infinite.

    The difference is taken in the tail that the interval lies in, where it does not cancel.
    """
    low_B, high_B = (cut_B.double().clamp(-FAR, FAR) - b_B.double() for cut_B in (lower_B, upper_B))
    sign_B = torch.where(low_B + high_B > 0, -1.0, 1.0).double()
    large_B = sign_B * torch.where(sign_B > 0, high_B, low_B)
    small_B = sign_B * torch.where(sign_B > 0, low_B, high_B)
    a_B, rho = a_B.double(), -sign_B * rho.double()
    whole_B = log_phi2(a_B, large_B, rho)
    return whole_B + log_complement(log_phi2(a_B, small_B, rho) - whole_B)


def binary_outcome(b_B: Tensor, label_B: Tensor) -> Tensor:
    """Return log P(r) of rows exposed at random, [B]: their exposure says nothing."""
    return log_ndtr((2 * label_B.double() - 1) * b_B.double())


def continuous_outcome(b_B: Tensor, y_B: Tensor, log_sigma: Tensor) -> Tensor:
    """Return the log density of y of rows exposed at random, [B]."""
    return log_phi(_standardised(y_B, b_B, log_sigma)) - log_sigma.double()


def left_censored_outcome(b_B: Tensor, cut_B: Tensor, log_sigma: Tensor) -> Tensor:
    """Return log P(y <= cut) of rows exposed at random, [B]."""
    return log_ndtr(_standardised(cut_B, b_B, log_sigma))


def right_censored_outcome(b_B: Tensor, cut_B: Tensor, log_sigma: Tensor) -> Tensor:
    """Return log P(y > cut) of rows exposed at random, [B]."""
    return log_ndtr(-_standardised(cut_B, b_B, log_sigma))


def _standardised(y_B: Tensor, b_B: Tensor, log_sigma: Tensor) -> Tensor:
    return (y_B.double() - b_B.double()) * torch.exp(-log_sigma.double())
