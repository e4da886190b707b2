"""IPS: unbiased under the true propensity, and what clipping and self-normalisation do."""

from collections.abc import Callable
from typing import Any

import pytest
import torch

from models.objectives.ips import Ips, IpsConfig
from models.propensity.popularity import PopularityConfig

TINY_CLIP = 0.001
BATCH = 4000


def ips(self_normalise: str, clip: float = TINY_CLIP) -> Ips:
    return Ips(IpsConfig(), PopularityConfig.model_validate({"clip": clip, "self_normalise": self_normalise}))


@pytest.mark.parametrize("self_normalise", ["off", "batch", "running"])
def test_unbiased_under_the_true_propensity(
    self_normalise: str, selection: Callable[[int], Any], task_rows: Callable[..., Any]
) -> None:
    estimates = []
    for seed in range(4):
        problem = selection(seed)
        rows = task_rows(problem.loss_B, problem.observed_B, problem.propensity_B)
        estimates.append(ips(self_normalise)(rows).item())
    assert sum(estimates) / 4 == pytest.approx(0.3937, abs=0.003)


@pytest.mark.parametrize("self_normalise", ["off", "running"])
def test_mini_batches_estimate_the_same(
    self_normalise: str, selection: Callable[[int], Any], task_rows: Callable[..., Any]
) -> None:
    problem, objective = selection(0), ips(self_normalise)
    parts = zip(*(v.split(BATCH) for v in (problem.loss_B, problem.observed_B, problem.propensity_B)), strict=True)
    estimates = [objective(task_rows(*part)).item() for part in parts]
    assert sum(estimates) / len(estimates) == pytest.approx(problem.risk, abs=0.006)


def test_by_hand(task_rows: Callable[..., Any]) -> None:
    loss_B, observed_B = torch.tensor([1.0, 2.0, 4.0, 9.0]), torch.tensor([1.0, 1.0, 1.0, 0.0])
    propensity_B = torch.tensor([0.5, 0.25, 0.01, 0.5])
    random_B = torch.tensor([False, False, False, False])
    rows = task_rows(loss_B, observed_B, propensity_B, random_B)
    # Weights 2, 4 and 1 / clip = 10.
    assert ips("off", clip=0.1)(rows).item() == pytest.approx((2 + 8 + 40) / 4)
    assert ips("batch", clip=0.1)(rows).item() == pytest.approx((2 + 8 + 40) / 16)


def test_random_rows_have_weight_one(task_rows: Callable[..., Any]) -> None:
    """Neither clipped nor normalised, whatever their propensity says; the others' weights still have mean 1."""
    loss_B, observed_B = torch.tensor([1.0, 2.0, 5.0]), torch.ones(3)
    propensity_B, random_B = torch.tensor([0.5, 0.25, 0.001]), torch.tensor([False, False, True])
    rows = task_rows(loss_B, observed_B, propensity_B, random_B)
    assert ips("off")(rows).item() == pytest.approx((2 + 8 + 5) / 3)
    assert ips("batch")(rows).item() == pytest.approx((2 / 3 + 8 / 3 + 5) / 3)


def test_clipping_cuts_the_variance_and_costs_bias(
    selection: Callable[[int], Any], task_rows: Callable[..., Any]
) -> None:
    problem = selection(0)
    parts = list(
        zip(*(v.split(BATCH) for v in (problem.loss_B, problem.observed_B, problem.propensity_B)), strict=True)
    )
    free = torch.stack([ips("off")(task_rows(*part)) for part in parts])
    clipped = torch.stack([ips("off", clip=0.2)(task_rows(*part)) for part in parts])
    normalised = torch.stack([ips("batch")(task_rows(*part)) for part in parts])
    assert clipped.std() < 0.8 * free.std()
    assert normalised.std() < free.std()
    assert abs(clipped.mean().item() - problem.risk) > 0.02


def test_the_running_mean_is_of_training_only(task_rows: Callable[..., Any]) -> None:
    objective = ips("running")
    first = task_rows(torch.ones(2), torch.ones(2), torch.tensor([0.5, 0.5]))
    second = task_rows(torch.ones(2), torch.ones(2), torch.tensor([0.25, 0.25]))
    assert objective(first).item() == pytest.approx(1)
    assert objective(second).item() == pytest.approx(4 / 3)
    objective.eval()
    assert objective(first).item() == pytest.approx(2 / 3)
    assert objective.weights.mean.item() == 3
    assert objective(task_rows(torch.ones(2), torch.zeros(2), torch.tensor([0.1, 0.1]))).item() == 0


def test_no_gradient_reaches_the_propensity(task_rows: Callable[..., Any]) -> None:
    loss_B = torch.ones(2, requires_grad=True)
    propensity_B = torch.full((2,), 0.5, requires_grad=True)
    ips("batch")(task_rows(loss_B, torch.ones(2), propensity_B)).backward()
    assert propensity_B.grad is None
    assert loss_B.grad.tolist() == [0.5, 0.5]
