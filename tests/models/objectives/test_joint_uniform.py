"""Two samples, one loss: their weights are those stated, whatever a batch holds of each."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

LOGGED, UNIFORM = 1_000, 40
NOISE, BIAS = 2.0, 0.5


def log(seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return labels and which rows are random: those have mean 0, the others are off by the bias; in random order."""
    draw = np.random.default_rng(seed)
    random = np.arange(LOGGED + UNIFORM) >= LOGGED
    label = draw.normal(np.where(random, 0.0, BIAS), NOISE)
    order = draw.permutation(len(label))
    return torch.from_numpy(label[order]).float(), torch.from_numpy(random[order])


def optimum(
    objective: Any, task_rows: Callable[..., Any], label_B: torch.Tensor, random_B: torch.Tensor, batch: int = 20
) -> float:
    """Return the prediction that the gradients of an epoch of batches vanish at, after an epoch that learns the share."""
    parts = list(zip(label_B.split(batch), random_B.split(batch), strict=True))
    for label, random in parts:
        objective.train()(task_rows(label, torch.ones_like(label), random_B=random))
    objective.eval()

    def slope(at: float) -> float:
        prediction = torch.tensor(at, requires_grad=True)
        for label, random in parts:
            objective(task_rows((prediction - label).square(), torch.ones_like(label), random_B=random)).backward()
        assert prediction.grad is not None
        return float(prediction.grad)

    zero, one = slope(0.0), slope(1.0)
    return -zero / (one - zero)


@pytest.mark.parametrize("eta", [0.0, 0.2, 1.0])
def test_the_optimum_is_the_weighted_mean_of_both_samples(
    eta: float, task_rows: Callable[..., Any], objective_of: Callable[..., Any]
) -> None:
    label_B, random_B = log(0)
    expected = (1 - eta) * label_B[~random_B].mean() + eta * label_B[random_B].mean()
    found = optimum(objective_of("joint_uniform", uniform_weight=eta), task_rows, label_B, random_B)
    assert found == pytest.approx(float(expected), abs=1e-4)


def test_its_error_is_least_at_the_stated_weight(
    task_rows: Callable[..., Any], objective_of: Callable[..., Any]
) -> None:
    own = BIAS**2 + NOISE**2 / LOGGED
    best = own / (own + NOISE**2 / UNIFORM)
    share = UNIFORM / (LOGGED + UNIFORM)

    def squared_error(eta: float) -> float:
        objective = objective_of("joint_uniform", uniform_weight=eta)
        found = [optimum(objective, task_rows, *log(seed), batch=LOGGED + UNIFORM) for seed in range(400)]
        return float(np.mean(np.square(found)))

    error = {eta: squared_error(eta) for eta in (best, share, 1.0)}
    expected = (1 - best) ** 2 * own + best**2 * NOISE**2 / UNIFORM
    assert error[best] == pytest.approx(expected, rel=0.15)
    assert error[best] < 0.9 * error[1.0] < 0.5 * error[share]


def test_without_random_rows_and_at_their_share_it_is_naive(
    task_rows: Callable[..., Any], objective_of: Callable[..., Any]
) -> None:
    label_B, random_B = log(1)
    observed_B = (torch.arange(len(label_B)) % 3 > 0).float()
    for random in (random_B, torch.zeros_like(random_B), torch.ones_like(random_B)):
        share = float((observed_B * random).sum() / observed_B.sum())
        rows = task_rows(label_B.square(), observed_B, random_B=random)
        joint, naive = objective_of("joint_uniform", uniform_weight=share), objective_of("naive")
        torch.testing.assert_close(joint(rows), naive(rows))


def test_a_batch_without_observed_rows_is_nothing_and_teaches_nothing(
    task_rows: Callable[..., Any], objective_of: Callable[..., Any]
) -> None:
    objective = objective_of("joint_uniform").train()
    rows = task_rows(torch.ones(4), torch.zeros(4), random_B=torch.ones(4, dtype=torch.bool))
    assert objective(rows).item() == 0
    assert objective.steps.item() == 0
