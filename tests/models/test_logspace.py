"""Probabilities as logarithms: exact where p is near 0 or 1, and a gradient that stays finite."""

import math

import numpy as np
import pytest
import torch

from models.logspace import log_complement, logit_of_log


def test_log_complement_is_exact_and_its_gradient_finite() -> None:
    log_p = torch.tensor([-1e-30, -1e-8, -0.01, -0.69, -0.70, -5.0, -100.0, -1e4], requires_grad=True)
    found = log_complement(log_p)
    expected = np.log(-np.expm1(log_p.detach().double().numpy()))
    np.testing.assert_allclose(found.detach(), expected, rtol=1e-5, atol=1e-30)
    found.sum().backward()
    assert torch.isfinite(log_p.grad).all() and (log_p.grad <= 0).all() and log_p.grad[1] < -1e6
    certain = torch.zeros(3, requires_grad=True)
    log_complement(certain).sum().backward()
    assert torch.isfinite(certain.grad).all()


@pytest.mark.parametrize("log_p", [-200.0, -1.0, -1e-9, 0.0])
def test_logits_of_extreme_products_are_finite(log_p: float) -> None:
    value = torch.tensor(log_p, requires_grad=True)
    logit = logit_of_log(value)
    logit.backward()
    assert math.isfinite(logit.item()) and math.isfinite(value.grad.item())
