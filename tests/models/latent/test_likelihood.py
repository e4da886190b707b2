"""Every kind of row: probabilities that add up, closed forms, and simulation."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from scipy.integrate import quad
from scipy.stats import multivariate_normal, norm
from torch import Tensor
from torch.special import log_ndtr

from models.latent import likelihood
from tests.tolerance import ulps

A, B, CUT, SIGMA = -0.7, 0.4, 0.9, 1.6
RHOS = (-0.8, 0.0, 0.5, 0.95)


def vector(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def number(value: float) -> Tensor:
    return torch.tensor(value, dtype=torch.float64)


@pytest.mark.parametrize("rho", RHOS)
def test_binary_cells_are_quadrants(rho: float) -> None:
    found = likelihood.binary(vector(A, A), vector(B, B), vector(1, 0), number(rho)).exp()
    both = multivariate_normal([0, 0], [[1, rho], [rho, 1]]).cdf([A, B])
    np.testing.assert_allclose(found, [both, norm.cdf(A) - both], atol=1e-13)
    assert (found.sum() + likelihood.unobserved(vector(A)).exp()).item() == pytest.approx(
        1, rel=ulps(16, torch.float64)
    )


@pytest.mark.parametrize("rho", RHOS)
def test_the_continuous_density_integrates_to_the_exposure_and_to_its_censored_cells(rho: float) -> None:
    def density(y: float) -> float:
        row = likelihood.continuous(vector(A), vector(B), vector(y), number(rho), number(math.log(SIGMA)))
        return float(row.exp())

    below, above = quad(density, -20, CUT, epsabs=1e-12)[0], quad(density, CUT, 20, epsabs=1e-12)[0]
    cell = (vector(A), vector(B), vector(CUT), number(rho), number(math.log(SIGMA)))
    assert likelihood.left_censored(*cell).exp().item() == pytest.approx(below, abs=1e-10)
    assert below + above == pytest.approx(norm.cdf(A), abs=1e-10)


@pytest.mark.parametrize("rho", RHOS)
def test_ordinal_cells_add_up_and_contain_the_binary_one(rho: float) -> None:
    cuts = [-math.inf, -1.0, 0.0, 0.7, math.inf]
    found = likelihood.ordinal(
        vector(A).expand(4), vector(B).expand(4), vector(*cuts[:-1]), vector(*cuts[1:]), number(rho)
    ).exp()
    assert found.sum().item() == pytest.approx(norm.cdf(A), abs=1e-14)
    a, b = vector(A).expand(2), vector(B).expand(2)
    binary = likelihood.binary(a, b, vector(0, 1), number(rho)).exp()
    np.testing.assert_allclose([found[:2].sum(), found[2:].sum()], binary, rtol=1e-10)


def test_ordinal_keeps_its_digits_in_the_upper_tail() -> None:
    """At independence the cell is Phi(a) times a probability of one variable."""
    found = likelihood.ordinal(vector(A), vector(0.0), vector(9.0), vector(10.0), number(0.0))
    assert found.item() == pytest.approx(norm.logcdf(A) + math.log(norm.sf(9) - norm.sf(10)), rel=1e-10)


def test_independence_is_two_separate_likelihoods() -> None:
    a, b = (torch.randn(40, dtype=torch.float64, requires_grad=True) for _ in range(2))
    label, y, zero, log_sigma = (torch.rand(40) < 0.5).double(), torch.randn(40), number(0.0), number(0.3)
    pairs = [
        (likelihood.binary(a, b, label, zero), likelihood.binary_outcome(b, label)),
        (likelihood.continuous(a, b, y, zero, log_sigma), likelihood.continuous_outcome(b, y, log_sigma)),
        (likelihood.left_censored(a, b, y, zero, log_sigma), likelihood.left_censored_outcome(b, y, log_sigma)),
    ]
    for joint, outcome in pairs:
        separate = log_ndtr(a) + outcome
        torch.testing.assert_close(joint, separate, rtol=1e-13, atol=1e-13)
        found, expected = (torch.autograd.grad(x.sum(), (a, b)) for x in (joint, separate))
        for one, other in zip(found, expected, strict=True):
            torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-13)


def test_cells_against_simulation(noise: Callable[..., Any]) -> None:
    rho, rows = 0.6, 400_000
    u_o, u_r = noise(rows, rho, 0)
    exposed, y = A + u_o > 0, B + SIGMA * u_r
    shares = {
        "liked": exposed & (B + u_r > 0),
        "zero": exposed & (y <= CUT),
        "middle": exposed & (B + u_r > 0.2) & (B + u_r <= 1.1),
    }
    at = (vector(A), vector(B))
    cut = (vector(CUT), number(rho), number(math.log(SIGMA)))
    expected = {
        "liked": likelihood.binary(*at, vector(1.0), number(rho)),
        "zero": likelihood.left_censored(*at, *cut),
        "middle": likelihood.ordinal(*at, vector(0.2), vector(1.1), number(rho)),
    }
    for name, share in shares.items():
        p = expected[name].exp().item()
        assert abs(share.double().mean().item() - p) <= 3 * math.sqrt(p * (1 - p) / rows), name


def test_far_indices_stay_finite() -> None:
    far = vector(-40, -40, 40, 40)
    b = vector(-40, 40, -40, 40).requires_grad_()
    rho, log_sigma = number(-0.99).requires_grad_(), number(0.0).requires_grad_()
    for row in (
        likelihood.binary(far, b, vector(1, 0, 1, 0), rho),
        likelihood.continuous(far, b, -far, rho, log_sigma),
        likelihood.left_censored(far, b, -far, rho, log_sigma),
    ):
        assert torch.isfinite(row).all()
        gradients = torch.autograd.grad(row.sum(), (b, rho, log_sigma), allow_unused=True)
        assert all(g is None or torch.isfinite(g).all() for g in gradients)


@pytest.mark.parametrize("rho", RHOS)
@pytest.mark.parametrize("cut", [-1.3, 0.4, 2.2])
def test_a_complete_play_is_the_upper_quadrant(rho: float, cut: float) -> None:
    """P(o = 1, y > cut) by scipy's bivariate normal, and it is what the density leaves above the cut."""
    scaled = (number(rho), number(math.log(SIGMA)))
    found = likelihood.right_censored(vector(A), vector(B), vector(cut), *scaled).exp().item()
    quadrant = multivariate_normal([0, 0], [[1, rho], [rho, 1]]).cdf([A, (B - cut) / SIGMA])
    assert found == pytest.approx(quadrant, abs=1e-13)

    def density(y: float) -> float:
        return float(likelihood.continuous(vector(A), vector(B), vector(y), *scaled).exp())

    above, _ = quad(density, cut, B + 12 * SIGMA, epsabs=1e-12, epsrel=1e-10)
    assert found == pytest.approx(above, rel=1e-8)
    alone = likelihood.right_censored_outcome(vector(B), vector(cut), scaled[1]).exp().item()
    assert alone == pytest.approx(norm.sf(cut, B, SIGMA), rel=1e-12)


@pytest.mark.parametrize("index", [-9.0, -0.7, 0.0, 1.4, 9.0])
@pytest.mark.parametrize("candidate", [0.0, 1e-6, 0.3, 1.0])
def test_a_pair_was_refused_only_where_it_was_a_candidate(index: float, candidate: float) -> None:
    found = likelihood.unobserved(vector(index), vector(candidate)).item()
    # Phi(-a) + (1 - q) Phi(a), not 1 - q Phi(a): scipy's tail is kept where that difference cancels.
    assert found == pytest.approx(math.log(norm.sf(index) + (1 - candidate) * norm.cdf(index)), rel=1e-12, abs=1e-15)


def test_gradients_of_candidates_and_complete_plays() -> None:
    a_B, b_B = (vector(*values).requires_grad_() for values in ((-1.2, 0.1, 1.9), (0.4, -0.8, 1.1)))
    rho, log_sigma = number(0.4).requires_grad_(), number(0.2).requires_grad_()
    candidate_B, cut_B = vector(0.0, 0.3, 1.0), vector(0.5, -0.2, 2.0)
    assert torch.autograd.gradcheck(lambda a: likelihood.unobserved(a, candidate_B), (a_B,))
    assert torch.autograd.gradcheck(
        lambda a, b, r, s: likelihood.right_censored(a, b, cut_B, r, s), (a_B, b_B, rho, log_sigma)
    )
    assert torch.autograd.gradcheck(lambda b, s: likelihood.right_censored_outcome(b, cut_B, s), (b_B, log_sigma))
