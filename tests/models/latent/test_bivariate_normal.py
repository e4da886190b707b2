"""log Phi2: against scipy and a panel reference, in both tails, with its gradient."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import multivariate_normal
from torch import Tensor
from torch.special import log_ndtr

from models.latent.bivariate_normal import _log_integral, log_phi2, normal_cdf

RHOS = (0.05, 0.5, 0.7, 0.9, 0.95, 0.99)
SIGNED = (*RHOS, *(-rho for rho in RHOS))


def indices(low: float, high: float, rows: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    a, b = torch.rand(2, rows, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return low + (high - low) * a, low + (high - low) * b


def number(value: float) -> Tensor:
    return torch.tensor(value, dtype=torch.float64)


@pytest.mark.parametrize("rho", SIGNED)
def test_against_scipy(rho: float) -> None:
    a, b = indices(-8, 8, 60)
    expected = multivariate_normal([0, 0], [[1, rho], [rho, 1]]).cdf(np.stack([a, b], axis=1))
    tolerance = 1e-14 if abs(rho) <= 0.5 else 1e-13
    np.testing.assert_allclose(log_phi2(a, b, number(rho)).exp(), expected, rtol=0, atol=tolerance)


@pytest.mark.parametrize(
    ("nodes", "rho", "tolerance"), [(8, 0.5, 1e-14), (8, 0.9, 2e-8), (16, 0.9, 1e-14), (16, 0.99, 2e-8)]
)
def test_fewer_nodes_have_the_stated_error(
    nodes: int, rho: float, tolerance: float, log_phi2_reference: Callable[..., Any]
) -> None:
    a, b = indices(-3, 3, 60)
    found = log_phi2(a, b, number(rho), nodes=nodes).exp()
    np.testing.assert_allclose(found, np.exp(log_phi2_reference(a, b, rho)), rtol=0, atol=tolerance)


@pytest.mark.parametrize("rho", SIGNED)
def test_the_log_keeps_its_digits_in_the_tails(rho: float, log_phi2_reference: Callable[..., Any]) -> None:
    """Log-probabilities down to -6,000 at a negative rho, where product minus integral has no digits left."""
    a, b = indices(-8, 8, 60, seed=1)
    expected = log_phi2_reference(a, b, rho)
    np.testing.assert_allclose(log_phi2(a, b, number(rho)), expected, rtol=1e-11, atol=2e-11)


def test_without_the_tail_form_the_log_is_lost() -> None:
    """Why there are branches at all."""
    a, b, rho = number(-3.0).view(1), number(-3.0).view(1), number(-0.9).view(1)
    base, integral = log_ndtr(a) + log_ndtr(b), _log_integral(a, b, rho, 32)
    naive = torch.log(base.exp() - integral.exp())
    assert torch.isnan(naive) or abs(naive - log_phi2(a, b, rho)) > 1
    assert log_phi2(a, b, rho).item() < -90


@pytest.mark.parametrize(
    ("rho", "tolerance"), [(0.0, 1e-15), (0.3, 1e-15), (-0.9, 1e-15), (0.95, 1e-15), (-0.99, 4e-15)]
)
def test_the_three_cells_of_a_row_sum_to_one(rho: float, tolerance: float) -> None:
    a, b = indices(-6, 6, 2000)
    total = log_phi2(a, b, number(rho)).exp() + log_phi2(a, -b, -number(rho)).exp() + log_ndtr(-a).exp()
    np.testing.assert_allclose(total, 1, rtol=0, atol=tolerance)


def test_symmetric_in_its_limits() -> None:
    a, b = indices(-8, 8, 500)
    for rho in SIGNED:
        torch.testing.assert_close(log_phi2(a, b, number(rho)), log_phi2(b, a, number(rho)), rtol=1e-13, atol=1e-13)


def test_independence_is_the_product_bit_for_bit() -> None:
    a, b = (x.requires_grad_() for x in indices(-10, 10, 500))
    joint, separate = log_phi2(a, b, torch.zeros(500)), log_ndtr(a) + log_ndtr(b)
    assert torch.equal(joint, separate)
    for one, other in zip(
        torch.autograd.grad(joint.sum(), (a, b)), torch.autograd.grad(separate.sum(), (a, b)), strict=True
    ):
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-300)


def test_gradcheck() -> None:
    a, b = (x.requires_grad_() for x in indices(-3, 3, 12))
    for rho in (-0.9, -0.3, 0.0, 0.6, 0.95):
        assert torch.autograd.gradcheck(log_phi2, (a, b, number(rho).requires_grad_()))


@pytest.mark.parametrize("rho", SIGNED)
def test_gradient_against_central_differences(rho: float) -> None:
    a, b = indices(-8, 4, 200)
    inputs = [a.clone().requires_grad_(), b.clone().requires_grad_(), torch.full_like(a, rho).requires_grad_()]
    gradients = torch.autograd.grad(log_phi2(*inputs).sum(), inputs)
    step = 1e-5
    for k, gradient in enumerate(gradients):
        moved = [[x.detach() + sign * step * (j == k) for j, x in enumerate(inputs)] for sign in (1, -1)]
        numeric = (log_phi2(*moved[0]) - log_phi2(*moved[1])) / (2 * step)
        # Near the bound the difference itself is off by the third derivative in rho.
        scale = 1e-3 if k == 2 and abs(rho) > 0.9 else 1e-6
        torch.testing.assert_close(gradient, numeric, rtol=scale, atol=1e-6)


def test_finite_far_out() -> None:
    points = torch.tensor([-40.0, -20.0, 0.0, 20.0, 40.0], dtype=torch.float64)
    a, b = (x.flatten().requires_grad_() for x in torch.meshgrid(points, points, indexing="ij"))
    for rho in (-0.99, 0.0, 0.99):
        at = torch.full_like(a, rho).requires_grad_()
        value = log_phi2(a, b, at)
        assert torch.isfinite(value).all()
        assert all(torch.isfinite(g).all() for g in torch.autograd.grad(value.sum(), (a, b, at)))


def test_arguments_broadcast_and_each_gets_its_own_gradient() -> None:
    a, b, rho = torch.randn(3, 1), torch.randn(1, 4), torch.tensor([0.3, -0.3, 0.1, 0.0])
    inputs = [x.double().requires_grad_() for x in (a, b, rho)]
    value = log_phi2(*inputs)
    assert value.shape == (3, 4)
    whole = [x.detach().expand(3, 4).clone().requires_grad_() for x in inputs]
    by_part = torch.autograd.grad(value.sum(), inputs)
    by_element = torch.autograd.grad(log_phi2(*whole).sum(), whole)
    for part, element in zip(by_part, by_element, strict=True):
        torch.testing.assert_close(part, element.sum_to_size(part.shape))


def test_more_rows_than_a_chunk() -> None:
    a, b = indices(-3, 3, 2500)
    together = log_phi2(a, b, number(0.4))
    assert torch.equal(together[2000:2100], log_phi2(a[2000:2100], b[2000:2100], number(0.4)))


def test_a_second_derivative_is_refused() -> None:
    a, b = (x.requires_grad_() for x in indices(-1, 1, 3))
    weight = number(1.0).requires_grad_()
    (gradient,) = torch.autograd.grad(weight * log_phi2(a, b, number(0.3)).sum(), a, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        gradient.sum().backward()


def test_normal_cdf_keeps_its_left_tail() -> None:
    x = torch.tensor([-12.0, -6.0, 0.0, 6.0])
    exact = torch.exp(torch.special.log_ndtr(x.double()))
    torch.testing.assert_close(normal_cdf(x).double(), exact, rtol=1e-4, atol=0)
    assert (torch.special.ndtr(x[1]).double() / exact[1] - 1).abs() > 0.5
