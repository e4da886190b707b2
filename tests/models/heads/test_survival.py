"""Survival curves: integral, value and median of the linear curve against numeric ones; logarithms at the edges."""

import numpy as np
import pytest
import torch

from models.heads.survival import log_survival, restricted_mean, survival_at, survival_median
from tests.tolerance import ulps

NODES_J = torch.tensor([0.0, 1.0, 4.0, 4.5, 20.0, 90.0])


def curves() -> torch.Tensor:
    return torch.exp(log_survival(torch.randn(50, 6, generator=torch.Generator().manual_seed(0)) - 1.5))


@pytest.mark.parametrize("upper", [0.5, 4.0, 7.0, 90.0, 400.0])
def test_mean_is_the_numeric_integral(upper: float) -> None:
    survival_BJ, grid = curves(), np.linspace(0, upper, 200_001)
    expected = [np.trapezoid(np.interp(grid, NODES_J, row, right=0), grid) for row in survival_BJ.double().numpy()]
    np.testing.assert_allclose(restricted_mean(NODES_J, survival_BJ, torch.full((50,), upper)), expected, rtol=1e-3)


def test_value_is_the_interpolation() -> None:
    survival_BJ = curves()
    for seconds in (0.0, 0.3, 4.0, 4.4, 89.0, 90.0, 500.0):
        expected = [np.interp(seconds, NODES_J, row) for row in survival_BJ.numpy()]
        found_B = survival_at(NODES_J, survival_BJ, torch.full((50,), seconds))
        np.testing.assert_allclose(found_B, expected, rtol=ulps(8), atol=ulps(8))


def test_median_is_where_the_curve_is_one_half() -> None:
    survival_BJ, upper_B = curves(), torch.full((50,), 400.0)
    median_B = survival_median(NODES_J, survival_BJ, upper_B)
    starts_below_B, never_B = survival_BJ[:, 0] <= 0.5, survival_BJ[:, -1] > 0.5
    assert (median_B[starts_below_B] == 0).all()
    inside_B = ~starts_below_B & ~never_B
    assert inside_B.sum() > 20
    np.testing.assert_allclose(survival_at(NODES_J, survival_BJ, median_B)[inside_B], 0.5, atol=1e-5)
    assert survival_median(NODES_J, torch.full((1, 6), 0.9), upper_B[:1]).item() == 90
    assert survival_median(NODES_J, torch.full((1, 6), 0.9), torch.tensor([7.0])).item() == 7


def test_median_of_a_curve_that_rises_again_is_the_first_crossing() -> None:
    rising = torch.tensor([[0.9, 0.7, 0.3, 0.8, 0.6, 0.1]])
    assert survival_median(NODES_J, rising, torch.tensor([400.0])).item() == pytest.approx(2.5)
