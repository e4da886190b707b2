"""What is said about a correlation: its error is right, its test has the right size, and it warns."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from models.latent.identification import RhoReport, SelectionFit, fit_selection, profile
from models.latent.indices import Linear
from models.latent.selection_model import SelectionModel, SelectionRows


def fitted(noise: Callable[..., Any], rho: float, seed: int, rows: int = 3000, *, apart: bool = True) -> SelectionFit:
    """Fit a continuous world, where a fit takes a tenth of a second."""
    x, z = torch.randn(2, rows, 1, generator=torch.Generator().manual_seed(seed)).double()
    u_o, u_r = noise(rows, rho, seed + 1000)
    observed = (x + z)[:, 0] - 0.5 + u_o > 0
    seen = SelectionRows(observed, x[:, 0] + u_r, True)
    return fit_selection(SelectionModel(Linear(x, z if apart else None), 0.0), seen)


@pytest.mark.slow
def test_error_and_likelihood_ratio_have_their_stated_size(noise: Callable[..., Any]) -> None:
    """Over 15 data sets without correlation: the z score has unit size and agrees with the likelihood ratio."""
    reports = [fitted(noise, 0.0, seed, rows=1500).report for seed in range(15)]
    z = np.array([report.rho / report.standard_error for report in reports])
    ratio = np.array([report.likelihood_ratio for report in reports])
    # chi-square with 15 degrees of freedom, between its .001 and .999 quantiles.
    assert 3.48 < (z**2).sum() < 37.7
    np.testing.assert_allclose(ratio, z**2, rtol=0.15, atol=0.15)


def test_p_value_is_that_of_chi_square_with_one_degree_of_freedom() -> None:
    assert RhoReport(0.2, 0.05, 3.841459, ("random rows",)).p_value == pytest.approx(0.05, abs=1e-6)


def test_the_profile_peaks_at_the_estimate(noise: Callable[..., Any]) -> None:
    x, z = torch.randn(2, 3000, 1, generator=torch.Generator().manual_seed(3)).double()
    u_o, u_r = noise(3000, 0.6, 4)
    rows = SelectionRows((x + z)[:, 0] - 0.5 + u_o > 0, x[:, 0] + u_r, True)
    fit = fit_selection(SelectionModel(Linear(x, z), 0.0), rows)
    curve = profile(fit.independent, rows)
    assert max(curve, key=lambda rho: curve[rho]) == 0.6
    best = -fit.free(rows).item()
    assert all(value <= best + 1e-9 for value in curve.values())
    assert fit.report.likelihood_ratio == pytest.approx(2 * 3000 * (best - curve[0.0]), abs=1e-3)


def test_a_source_and_a_small_error_are_both_needed(noise: Callable[..., Any]) -> None:
    good = fitted(noise, 0.6, 5).report
    assert (good.sources, good.warning) == (("exclusion restriction",), None)
    assert fitted(noise, 0.6, 5).kept.rho == good.rho
    without = fitted(noise, 0.6, 5, apart=False)
    assert "nothing but the normal shape" in (without.report.warning or "")
    assert without.kept.rho == 0
    few = fitted(noise, 0.6, 5, rows=150).report
    assert few.standard_error > 0.1
    assert "has standard error" in (few.warning or "")
    assert RhoReport(0.5, float("inf"), 0.0, ("random rows",)).warning is not None


def test_random_rows_identify_without_an_exclusion(noise: Callable[..., Any]) -> None:
    """Exposure does not vary with x at all, so only the random rows tell the mean of the others."""
    rows, g = 8000, torch.Generator().manual_seed(0)
    x = torch.randn(rows, 1, generator=g).double()
    u_o, u_r = noise(rows, 0.7, 1)
    random = torch.rand(rows, generator=g) < 0.1
    seen = SelectionRows((u_o > 0) | random, (x[:, 0] + u_r > 0).double(), False, random)
    fit = fit_selection(SelectionModel(Linear(x), 0.0), seen)
    assert fit.report.sources == ("random rows",)
    assert fit.report.rho == pytest.approx(0.7, abs=3 * fit.report.standard_error)
    assert fit.report.standard_error < 0.1
    assert fit.report.p_value < 1e-6
