"""Full-batch fits: the objective's invariances, recovery, and rows exposed at random."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from models.latent.correlation import Correlation
from models.latent.indices import Linear
from models.latent.selection_model import SelectionModel, SelectionRows, fit_full_batch
from tests.models.latent.conftest import start_at

ROWS = 4000


def pairs(
    noise: Callable[..., Any], rho: float, seed: int = 0, rows: int = ROWS
) -> tuple[Tensor, Tensor, SelectionRows]:
    """Return features, an exposure-only feature, and binary rows of a small linear world."""
    x, z = torch.randn(rows, 2, generator=torch.Generator().manual_seed(seed)).double().T
    u_o, u_r = noise(rows, rho, seed + 100)
    observed = 0.8 * x + z - 0.5 + u_o > 0
    return x.unsqueeze(1), z.unsqueeze(1), SelectionRows(observed, (x + u_r > 0).double(), False)


def test_a_binary_fit_recovers_all_parameters(noise: Callable[..., Any]) -> None:
    x, z, rows = pairs(noise, 0.6, rows=20_000)
    model = SelectionModel(Linear(x, z))
    fit_full_batch(model, rows)
    assert model.rho == pytest.approx(0.6, abs=0.1)
    assert model.indices.alpha.tolist() == pytest.approx([0.8, 1, -0.5], abs=0.08)
    assert model.indices.beta.tolist() == pytest.approx([1, 0], abs=0.1)


def test_a_censored_continuous_fit_recovers_all_parameters(noise: Callable[..., Any]) -> None:
    x, z, binary = pairs(noise, 0.5, rows=20_000)
    u_r = noise(20_000, 0.5, 100)[1]
    y = (0.5 + x[:, 0] + 1.5 * u_r).clamp(min=0)
    rows = SelectionRows(binary.observed_N, y, True, censored_N=y == 0)
    model = SelectionModel(Linear(x, z))
    fit_full_batch(model, rows)
    assert (y == 0).double().mean() > 0.3
    assert (model.rho, model.sigma) == pytest.approx((0.5, 1.5), abs=0.1)
    assert model.indices.beta.tolist() == pytest.approx([1, 0.5], abs=0.12)


def test_order_does_not_matter(noise: Callable[..., Any]) -> None:
    x, z, rows = pairs(noise, 0.4)
    order = torch.randperm(ROWS, generator=torch.Generator().manual_seed(1))
    shuffled = SelectionRows(rows.observed_N[order], rows.label_N[order], False)
    values = []
    for indices, seen in ((Linear(x, z), rows), (Linear(x[order], z[order]), shuffled)):
        model = SelectionModel(indices, 0.3)
        indices.alpha.data.fill_(0.4)
        indices.beta.data.fill_(-0.2)
        values.append(model(seen).item())
    assert values[0] == pytest.approx(values[1], abs=1e-10)


def test_rows_exposed_at_random_speak_about_feedback_only(noise: Callable[..., Any]) -> None:
    x, z, rows = pairs(noise, 0.4)
    random = torch.arange(ROWS) < 500
    both = SelectionRows(rows.observed_N | random, rows.label_N, False, random)
    model = SelectionModel(Linear(x, z), 0.4)
    model.indices.beta.data.fill_(0.3)
    a, b = (index.detach().requires_grad_() for index in model.indices())
    model._log_likelihood(a, b, both).backward()
    assert (a.grad[random] == 0).all()
    assert (a.grad[~random] != 0).all()
    assert (b.grad[random] != 0).all()
    with pytest.raises(ValueError, match="exposed at random is observed by definition"):
        SelectionRows(rows.observed_N, rows.label_N, False, ~rows.observed_N)


def test_the_correlation_stays_in_its_range() -> None:
    learned = Correlation(bound=0.6)
    assert learned().item() == 0
    start_at(learned, 0.3)
    assert learned().item() == pytest.approx(0.3)
    learned.kappa.data.fill_(50.0)
    assert learned().item() == pytest.approx(0.6)
    assert not list(Correlation(0.4).parameters())
    with pytest.raises(ValueError, match=r"rho 1.0 is fixed outside \[-0.99, 0.99\]"):
        Correlation(1.0)
