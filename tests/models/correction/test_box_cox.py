"""Box-Cox transforms: there and back, and the power against SciPy's likelihood."""

import numpy as np
import pytest
import torch
from scipy.stats import boxcox_llf

from models.correction.box_cox import box_cox, inverse_box_cox, likeliest_power

POWERS = (-1.0, -1e-9, 0.0, 1e-7, 0.1, 1.0)


@pytest.mark.parametrize("power", POWERS)
def test_there_and_back(power: float) -> None:
    ratio_B = torch.linspace(0.15, 6.9, 400, dtype=torch.float64)
    power_B = torch.full_like(ratio_B, power)
    transformed_B = box_cox(ratio_B, power_B)
    direct = np.log(ratio_B) if abs(power) < 1e-6 else (ratio_B**power - 1) / power
    np.testing.assert_allclose(transformed_B, direct, atol=1e-6)
    torch.testing.assert_close(inverse_box_cox(transformed_B, power_B), ratio_B, rtol=1e-9, atol=0)


@pytest.mark.parametrize("power", POWERS)
def test_ends_and_gradients_are_finite(power: float) -> None:
    transformed_B = torch.tensor([-1e3, -6.0, 0.0, 6.0, 1e3], dtype=torch.float64, requires_grad=True)
    power_B = torch.full((5,), power, dtype=torch.float64, requires_grad=True)
    ratio_B = inverse_box_cox(transformed_B, power_B)
    assert (ratio_B >= 0.1 - 1e-12).all()
    assert (ratio_B <= 10 + 1e-12).all()
    total = ratio_B.sum() + box_cox(torch.tensor([1e-3, 1.0, 100.0]).double(), power_B[:3]).sum()
    for gradient in torch.autograd.grad(total, [transformed_B, power_B]):
        assert torch.isfinite(gradient).all()


@pytest.mark.parametrize("truth", [-0.5, 0.0, 0.3, 1.0])
def test_the_likeliest_power_is_scipys(truth: float) -> None:
    normal = np.random.default_rng(1).normal(0, 0.3, 1_000)
    ratio = np.exp(normal) if truth == 0 else np.maximum(truth * normal + 1, 0.05) ** (1 / truth)
    grid = np.linspace(-1, 1, 201)
    brute = grid[np.argmax([boxcox_llf(power, ratio) for power in grid])]
    assert likeliest_power(ratio) == pytest.approx(brute, abs=1e-9)
    assert brute == pytest.approx(truth, abs=0.25)


def test_ratios_all_alike_change_nothing() -> None:
    assert likeliest_power(np.full(5, 2.0)) == 1
    assert likeliest_power(np.array([])) == 1
