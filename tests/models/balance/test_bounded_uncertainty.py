"""Bounded uncertainty weighting: one step by hand, and its bounds."""

import math

import pytest
import torch

from models.balance.bounded_uncertainty import BoundedUncertainty, BoundedUncertaintyConfig
from models.by_task import key_of
from tests.tolerance import ulps


def test_one_step_by_hand() -> None:
    x = torch.tensor(2.0, requires_grad=True)
    balance = BoundedUncertainty(BoundedUncertaintyConfig(), {"watch_time": 1.0, "skip": 3.0})
    s = {task: balance.log_variance[key_of(task)] for task in ("watch_time", "skip")}
    with torch.no_grad():
        s["skip"].fill_(0.4)
    optimizer = torch.optim.SGD(balance.parameters(), lr=0.1)
    total = balance.backward({"watch_time": x**2, "skip": 5 * x}, [])
    watch_factor, skip_factor = 1 / (2 * math.exp(-0.5)), 3 / (2 * math.exp(0.4))
    assert total.item() == pytest.approx(4 * watch_factor - 0.25 + 10 * skip_factor + 3 * 0.2, rel=ulps(16))
    assert x.grad.item() == pytest.approx(4 * watch_factor + 5 * skip_factor, rel=ulps(16))
    optimizer.step()
    assert s["watch_time"].item() == pytest.approx(-0.5 - 0.1 * (0.5 - 4 * watch_factor), rel=ulps(16))
    assert s["skip"].item() == pytest.approx(0.4 - 0.1 * (1.5 - 10 * skip_factor), rel=ulps(16))


def test_the_minimum_over_s_is_the_log_of_the_loss() -> None:
    balance = BoundedUncertainty(BoundedUncertaintyConfig(), {"watch_time": 1.0})
    optimizer = torch.optim.SGD(balance.parameters(), lr=0.5)
    for _ in range(200):
        optimizer.zero_grad()
        balance.backward({"watch_time": torch.tensor(0.7)}, [])
        optimizer.step()
    assert balance.log_variance[key_of("watch_time")].item() == pytest.approx(math.log(0.7), abs=1e-4)


@pytest.mark.parametrize(("loss", "bound"), [(1e-6, -3.0), (1e6, 3.0)])
def test_s_stays_within_its_bounds_and_can_come_back(loss: float, bound: float) -> None:
    balance = BoundedUncertainty(BoundedUncertaintyConfig(), {"watch_time": 1.0})
    s = balance.log_variance[key_of("watch_time")]
    with torch.no_grad():
        s.fill_(2 * bound)
    total = balance.backward({"watch_time": torch.tensor(loss)}, [])
    assert s.item() == bound
    assert total.item() == pytest.approx(loss / (2 * math.exp(bound)) + bound / 2, rel=1e-5)
    s.grad = None
    balance.backward({"watch_time": torch.tensor(1.0)}, [])
    assert s.grad.item() * bound > 0, "the gradient at the bound must lead back inside"
