"""Rules that mix one gradient per task: each step by hand, or against the problem it solves."""

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from models.balance.cagrad import CaGrad, CaGradConfig, combination, dual_weights
from models.balance.db_mtl import DbMtl, DbMtlConfig
from models.balance.gradnorm import GradNorm, GradNormConfig
from models.balance.pcgrad import PcGrad, PcGradConfig, projected
from models.balance.task_gradients import backward_per_task

Tasks = Callable[[list[list[float]]], Any]
EVEN = {"task0": 1.0, "task1": 1.0}


def test_shared_gradients_come_apart_and_the_rest_adds_up(tasks: Tasks) -> None:
    model = tasks([[1.0, 2.0], [3.0, -1.0]])
    gradient_TP = backward_per_task(list(model.losses().values()), [model.shared])
    assert gradient_TP.tolist() == [[1.0, 2.0], [3.0, -1.0]]
    assert model.shared.grad is None
    assert model.own_T.grad.tolist() == [1.0, 1.0]


def test_pcgrad_projects_a_conflict_away_by_hand(tasks: Tasks) -> None:
    model = tasks([[1.0, 0.0], [-1.0, 1.0]])
    PcGrad(PcGradConfig(), EVEN).backward(model.losses(), [model.shared])
    # g0 loses its part along g1: (1, 0) + 1/2 (-1, 1) = (.5, .5); g1 its part along g0: (-1, 1) + (1, 0) = (0, 1).
    assert model.shared.grad.tolist() == pytest.approx([0.5, 1.5])
    assert model.own_T.grad.tolist() == [1.0, 1.0]


def test_pcgrad_leaves_agreeing_gradients_alone(tasks: Tasks) -> None:
    model = tasks([[1.0, 0.5], [0.2, 1.0]])
    PcGrad(PcGradConfig(), {"task0": 2.0, "task1": 1.0}).backward(model.losses(), [model.shared])
    assert model.shared.grad.tolist() == pytest.approx([2.2, 2.0])


def test_the_table_of_inner_products_gives_the_same_as_vectors() -> None:
    gradient_TP = torch.randn(4, 7, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    orders = [[1, 2, 3], [3, 0, 2], [0, 3, 1], [2, 1, 0]]
    expected = []
    for i, order in enumerate(orders):
        g = gradient_TP[i].clone()
        for j in order:
            overlap = g @ gradient_TP[j]
            if overlap < 0:
                g = g - overlap / (gradient_TP[j] @ gradient_TP[j]) * gradient_TP[j]
        expected.append(g)
    torch.testing.assert_close(projected(gradient_TP, orders), torch.stack(expected))


def test_cagrad_without_a_radius_is_the_mean_gradient(tasks: Tasks) -> None:
    model = tasks([[1.0, 0.0], [-1.0, 1.0]])
    CaGrad(CaGradConfig(c=0.0), EVEN).backward(model.losses(), [model.shared])
    assert model.shared.grad.tolist() == pytest.approx([0.0, 0.5])


@pytest.mark.parametrize("seed", range(5))
def test_cagrads_dual_is_minimal_on_the_simplex(seed: int) -> None:
    g = np.random.default_rng(seed).normal(size=(3, 6))
    table = g @ g.T
    even = np.full(3, 1 / 3)

    def value(w: np.ndarray) -> float:
        return float(w @ table @ even + 0.5 * np.sqrt(even @ table @ even) * np.sqrt(w @ table @ w))

    found = dual_weights(table, 0.5)
    assert found.sum() == pytest.approx(1) and (found >= 0).all()
    steps = np.linspace(0, 1, 101)
    best = min(value(np.array([a, b, 1 - a - b])) for a, b in itertools.product(steps, steps) if a + b <= 1)
    assert value(found) <= best + 1e-3 * abs(best)


@pytest.mark.parametrize("seed", range(5))
def test_cagrad_helps_the_worst_task_at_least_as_much_as_the_mean(seed: int) -> None:
    g = np.random.default_rng(100 + seed).normal(size=(3, 4))
    step, mean = combination(g @ g.T, 0.5) @ g * (1 + 0.25), g.mean(axis=0)
    assert np.linalg.norm(step - mean) <= 0.5 * np.linalg.norm(mean) + 1e-6
    assert (g @ step).min() >= (g @ mean).min() - 1e-6


def test_cagrad_with_opposed_gradients_stays_finite(tasks: Tasks) -> None:
    model = tasks([[1.0, 0.0], [-1.0, 0.0]])
    CaGrad(CaGradConfig(), EVEN).backward(model.losses(), [model.shared])
    assert torch.isfinite(model.shared.grad).all()


def test_db_mtl_brings_gradients_of_logs_to_one_length(tasks: Tasks) -> None:
    model = tasks([[3.0, 0.0], [0.0, 0.6]])
    balance = DbMtl(DbMtlConfig(beta=0.5), EVEN)
    balance.bind([model.shared])
    balance.backward(model.losses(), [model.shared])
    # Both losses are 1.5: gradients of the logs (2, 0) and (0, .4); the longer one sets the length.
    assert model.shared.grad.tolist() == pytest.approx([2.0, 2.0])
    assert model.own_T.grad.tolist() == pytest.approx([1 / 1.5, 1 / 1.5])
    model.gradient_TP = torch.tensor([[0.0, 3.0], [0.0, 0.6]])
    balance.backward(model.losses(), [model.shared])
    # G0 = (0, 2) + .5 ((2, 0) - (0, 2)) = (1, 1), G1 = (0, .4) again.
    assert model.shared.grad.tolist() == pytest.approx([1.0, 1.0 + 2**0.5], rel=1e-5)


def test_gradnorm_moves_weight_to_the_task_that_pulls_less(tasks: Tasks) -> None:
    model = tasks([[4.0, 0.0], [0.0, 1.0]])
    balance = GradNorm(GradNormConfig(), EVEN)
    balance.backward(model.losses(), [model.shared])
    assert model.shared.grad.tolist() == [4.0, 1.0]
    # Both at their first loss: targets 2.5; slopes in w are (4, -1); through w = 2 softmax(v) at v = 0: (2.5, -2.5) / ...
    slope = torch.tensor([4.0, -1.0])
    expected = 2 * (0.5 * slope - 0.5 * (0.5 * slope).sum())
    assert balance.logit_T.grad.tolist() == pytest.approx(expected.tolist())


@pytest.mark.slow
def test_gradnorm_ends_with_equal_norms(tasks: Tasks) -> None:
    model = tasks([[4.0, 0.0], [0.0, 1.0]])
    balance = GradNorm(GradNormConfig(alpha=0.0), EVEN)
    optimizer = torch.optim.SGD(balance.parameters(), lr=0.005)
    for _ in range(600):
        optimizer.zero_grad()
        balance.backward(model.losses(), [model.shared])
        optimizer.step()
    assert model.shared.grad.tolist() == pytest.approx([1.6, 1.6], abs=0.05)
