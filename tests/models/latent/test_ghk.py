"""GHK: unbiased, smooth and precise where the published indicator average is not."""

import pytest
import torch
from torch import Tensor

from benchmarks.debias.monte_carlo_likelihood import monte_carlo_probability
from models.latent.bivariate_normal import log_phi2
from models.latent.ghk import Scheme, log_phi2_ghk, uniforms

RHO = torch.tensor(0.4, dtype=torch.float64)


def fitted_like(rows: int = 200) -> tuple[Tensor, Tensor]:
    """Return indices as on Coat: 8 % exposed, half liked."""
    a, b = torch.randn(2, rows, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return 0.3 * a - 1.4, 0.7 * b


@pytest.mark.parametrize("scheme", ["antithetic", "sobol"])
@pytest.mark.parametrize("rho", [-0.7, 0.4])
def test_unbiased(scheme: Scheme, rho: float) -> None:
    a, b = torch.tensor([[-2.0, -1.4, 0.3], [0.5, -1.0, 1.0]], dtype=torch.float64)
    g, repeats = torch.Generator().manual_seed(1), 1000
    at = torch.tensor(rho, dtype=torch.float64)
    found = log_phi2_ghk(a.expand(repeats, 3), b.expand(repeats, 3), at, 50, scheme, g).exp()
    error = found.std(0) / repeats**0.5
    assert ((found.mean(0) - log_phi2(a, b, at).exp()).abs() <= 3 * error).all()


@pytest.mark.parametrize("scheme", ["antithetic", "sobol"])
def test_fifty_draws_are_within_two_percent_and_the_crude_ones_are_not_within_forty(scheme: Scheme) -> None:
    a, b = fitted_like()
    exact, g = log_phi2(a, b, RHO).exp(), torch.Generator().manual_seed(2)
    ghk = torch.stack([log_phi2_ghk(a, b, RHO, 50, scheme, g).exp() for _ in range(50)])
    draws = torch.randn(50, len(a), 50, generator=g, dtype=torch.float64)
    crude = torch.stack([monte_carlo_probability(a, b, RHO, noise) for noise in draws])
    error = {
        name: ((found - exact).square().mean(0).sqrt() / exact).median()
        for name, found in (("ghk", ghk), ("crude", crude))
    }
    assert error["ghk"] <= 0.02
    assert error["crude"] > 0.4


def test_smooth_in_all_three_arguments() -> None:
    inputs = [x.clone().requires_grad_() for x in (*fitted_like(20), RHO)]
    exact = torch.autograd.grad(log_phi2(*inputs).sum(), inputs)
    found = torch.autograd.grad(log_phi2_ghk(*inputs, 4000, "sobol", torch.Generator().manual_seed(3)).sum(), inputs)
    for one, other in zip(found, exact, strict=True):
        torch.testing.assert_close(one, other, rtol=5e-3, atol=5e-3)


def test_draws_are_fresh_paired_and_even() -> None:
    g = torch.Generator().manual_seed(0)
    first, second = (uniforms(torch.Size([3]), 8, "antithetic", g) for _ in range(2))
    assert not torch.equal(first, second)
    torch.testing.assert_close(first[:, :4] + first[:, 4:], torch.ones(3, 4, dtype=torch.float64))
    sobol = uniforms(torch.Size([5]), 16, "sobol", g).sort(dim=1).values
    assert (sobol.diff(dim=1) <= 1 / 16 + 1e-6).all()
    with pytest.raises(ValueError, match="draws=7 is odd"):
        uniforms(torch.Size([3]), 7, "antithetic")
