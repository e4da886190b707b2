"""Fixed weights: a weighted sum and its gradient."""

import pytest
import torch

from models.balance.fixed import Fixed, FixedConfig


def test_weighted_sum_and_gradient() -> None:
    x = torch.tensor(2.0, requires_grad=True)
    balance = Fixed(FixedConfig(), {"watch_time": 1.0, "skip": 3.0})
    total = balance.backward({"watch_time": x**2, "skip": 5 * x}, [])
    assert total.item() == pytest.approx(34.0)
    assert not total.requires_grad
    assert x.grad.item() == pytest.approx(2 * 2 + 3 * 5)


def test_a_frozen_task_is_absent() -> None:
    x = torch.tensor(2.0, requires_grad=True)
    assert Fixed(FixedConfig(), {"watch_time": 1.0, "hate": 3.0}).backward({"watch_time": x}, []).item() == 2.0
