"""StableDR: what the constraint does, and the bound."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor


def rows_with(task_rows: Callable[..., Any], problem: Any, exposure_B: Tensor, imputed_B: Tensor) -> Any:
    return task_rows(
        problem.loss_B, problem.observed_B, expected_loss=lambda out_BO, statistics_BS: imputed_B,
        auxiliary={"imputation": torch.zeros_like(imputed_B), "exposure": exposure_B},
    )  # fmt: skip


def test_the_constraint_makes_a_wrong_propensity_right_for_right_errors(
    selection: Callable[..., Any], task_rows: Callable[..., Any], objective_of: Callable[..., Any]
) -> None:
    """A propensity that may only follow ê cannot be right here; held to the constraint it gives the true risk."""
    stable, errors = objective_of("stable_dr"), []
    for seed in range(4):
        problem = selection(seed, 100_000)
        signal_B = problem.expected_B - problem.expected_B.mean()
        line = torch.tensor([-1.5, 0.0], requires_grad=True)
        optimizer = torch.optim.LBFGS([line], max_iter=40, line_search_fn="strong_wolfe")

        def rows(problem: Any = problem, line: Tensor = line, signal_B: Tensor = signal_B) -> Any:
            return rows_with(task_rows, problem, line[0] + line[1] * signal_B, problem.expected_B)

        def closure(optimizer: Any = optimizer, rows: Any = rows) -> Tensor:
            optimizer.zero_grad()
            loss = 1e4 * stable.imbalance(rows()).square()
            loss.backward()
            return loss

        optimizer.step(closure)
        assert abs(stable.imbalance(rows()).item()) < 1e-4
        errors.append((stable.risk(rows()) - problem.loss_B.mean()).item())
        unconstrained = rows_with(task_rows, problem, torch.full_like(signal_B, -1.5), problem.expected_B)
        assert stable.risk(unconstrained).item() - problem.risk == pytest.approx(0.082, abs=0.012)
    assert sum(errors) / 4 == pytest.approx(0, abs=0.005)


def test_right_propensities_give_the_true_risk(
    selection: Callable[..., Any], task_rows: Callable[..., Any], objective_of: Callable[..., Any]
) -> None:
    errors = []
    for seed in range(6):
        problem = selection(seed, 100_000)
        rows = rows_with(task_rows, problem, torch.logit(problem.propensity_B), torch.rand(100_000))
        errors.append(objective_of("stable_dr").risk(rows) - problem.loss_B.mean())
    found = torch.stack(errors)
    assert abs(found.mean()) < 3 * found.std() / 6**0.5


def test_the_risk_is_bounded_however_small_the_propensity(
    task_rows: Callable[..., Any], objective_of: Callable[..., Any]
) -> None:
    loss_B, exposure_B = torch.tensor([0.2, 0.9, 5.0]), torch.tensor([-40.0, 0.0, -10.0])
    rows = task_rows(loss_B, torch.tensor([1.0, 1.0, 0.0]), auxiliary={"exposure": exposure_B})
    assert 0.2 <= objective_of("stable_dr", clip=1e-9).risk(rows).item() <= 0.9
    assert objective_of("ips_v2", clip=1e-9).risk(rows).item() > 1e6


def test_imbalance_by_hand_and_its_gradient(task_rows: Callable[..., Any], objective_of: Callable[..., Any]) -> None:
    exposure_B = torch.logit(torch.tensor([0.5, 0.25, 0.8])).requires_grad_()
    imputed_B = torch.tensor([1.0, 2.0, 6.0], requires_grad=True)
    rows = task_rows(
        torch.ones(3), torch.tensor([1.0, 1.0, 0.0]), expected_loss=lambda out_BO, statistics_BS: imputed_B,
        auxiliary={"imputation": torch.zeros(3), "exposure": exposure_B},
    )  # fmt: skip
    imbalance = objective_of("stable_dr").imbalance(rows)
    assert imbalance.item() == pytest.approx(((1 - 2) * -2 + (1 - 4) * -1 + 1 * 3) / 3)
    by_exposure, by_imputed = torch.autograd.grad(imbalance, [exposure_B, imputed_B], allow_unused=True)
    assert by_imputed is None
    # d(-o / p) / d logit = o (1 - p) / p, times the centred error over three rows.
    assert by_exposure.tolist() == pytest.approx([1 * -2 / 3, 3 * -1 / 3, 0], abs=1e-6)


def test_the_whole_is_the_sum_of_its_parts(model_rows: Callable[..., Any], objective_of: Callable[..., Any]) -> None:
    rows = model_rows(
        torch.linspace(-1, 1, 4), torch.tensor([1.0, 0.0, 1.0, 0.0]), torch.tensor([1.0, 1.0, 0.0, 0.0]), torch.ones(4),
        auxiliary={"imputation": torch.linspace(0, 1, 4), "exposure": torch.linspace(-1, 0, 4)},
    )  # fmt: skip
    stable = objective_of("stable_dr", eta=7, imputation=3)
    exposure = torch.nn.functional.binary_cross_entropy_with_logits(rows.auxiliary["exposure"], rows.observed_B)
    whole = stable.risk(rows) + 3 * stable.imputation_loss(rows) + exposure + 7 * stable.imbalance(rows) ** 2
    assert stable(rows).item() == pytest.approx(whole.item())
