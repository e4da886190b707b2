"""Imputation: which pseudo-label each rule learns, and which parameters each step touches."""

from collections.abc import Callable
from itertools import product
from typing import Any

import pytest
import torch
from torch import Tensor

from models.objectives import OBJECTIVES
from models.objectives.doubly_robust import JointDoublyRobust
from models.objectives.imputation import imputation_gap, imputed_error, weighted_mean

JOINT = [kind for kind, c in OBJECTIVES.items() if issubclass(c, JointDoublyRobust)]
PROPENSITY_B = torch.tensor([0.1, 0.25, 0.5, 0.8, 0.5, 0.4])
LABEL_B = torch.tensor([1.0, 0.0, 1.0, 0.0, 0.0, 1.0])
OBSERVED_B = torch.tensor([1.0, 1.0, 1.0, 1.0, 0.0, 0.0])

WEIGHTS: dict[str, Callable[[Tensor], Tensor]] = {
    "mrdr": lambda p: (1 - p) / p**2,
    "dr_bias": lambda p: (1 - p) ** 2 / p**3,
    "tmle": torch.ones_like,
    "dr_mse": lambda p: 0.5 * (1 - p) ** 2 / p**3 + 0.5 * (1 - p) / p**2,
}


@pytest.mark.parametrize("binary", [True, False], ids=["binary", "watch_time"])
@pytest.mark.parametrize("kind", JOINT)
def test_a_constant_pseudo_label_is_the_weighted_mean_label(
    kind: str, binary: bool, model_rows: Callable[..., Any], objective_of: Callable[..., Any]
) -> None:
    """At a constant prediction the gap of a row is proportional to (r - m)^2, so the minimiser is known."""
    label_B = LABEL_B if binary else torch.tensor([0.9, 0.1, 0.6, 0.2, 0.0, 0.5])
    weight_B = OBSERVED_B * WEIGHTS.get(kind, lambda p: 1 / p)(PROPENSITY_B)
    best = (weight_B * label_B).sum() / weight_B.sum()
    logit = torch.logit(best).requires_grad_()
    rows = model_rows(
        torch.full((6,), 1.5), label_B, OBSERVED_B, PROPENSITY_B, binary,
        auxiliary={"imputation": logit.expand(6), "exposure": torch.logit(PROPENSITY_B)}, user_B=torch.zeros(6, dtype=torch.int64),
    )  # fmt: skip
    loss = objective_of(kind).imputation_loss(rows)
    assert torch.autograd.grad(loss, logit)[0].item() == pytest.approx(0, abs=1e-6)
    scale = 1.5**2 if binary else 1
    assert loss.item() == pytest.approx(
        scale * ((weight_B * (label_B - best) ** 2).sum() / weight_B.sum()).item(), rel=1e-5
    )


def test_the_mix_of_dr_mse(model_rows: Callable[..., Any], objective_of: Callable[..., Any]) -> None:
    rows = model_rows(
        torch.ones(6), LABEL_B, OBSERVED_B, PROPENSITY_B, auxiliary={"imputation": torch.linspace(-1, 1, 6)}
    )
    ends = {share: objective_of("dr_mse", bias_share=share).imputation_loss(rows) for share in (0, 1)}
    torch.testing.assert_close(ends[0], objective_of("mrdr").imputation_loss(rows))
    torch.testing.assert_close(ends[1], objective_of("dr_bias").imputation_loss(rows))


def test_the_weight_of_mrdr_estimates_the_variance(objective_of: Callable[..., Any]) -> None:
    """Brute force over all exposures of six rows: the expected weighted gap is n^2 times the variance of L_DR."""
    gap_B, p_B = torch.tensor([0.3, -1.0, 2.0, 0.5, -0.2, 0.7]).double(), PROPENSITY_B.double()
    exposures = torch.tensor(list(product([0.0, 1.0], repeat=6)), dtype=torch.float64)
    chance = (exposures * p_B + (1 - exposures) * (1 - p_B)).prod(dim=1)
    estimate = (exposures * gap_B / p_B).sum(dim=1) / 6
    variance = chance @ estimate.square() - (chance @ estimate).square()
    weighted = exposures @ (objective_of("mrdr").imputation_weight(1 / p_B) * gap_B.square())
    assert (chance @ weighted).item() / 36 == pytest.approx(variance.item())


@pytest.mark.parametrize("kind", ["mrdr", "dr_bias", "dr_mse"])
def test_random_rows_add_no_variance(kind: str, objective_of: Callable[..., Any]) -> None:
    assert objective_of(kind).imputation_weight(torch.tensor([1.0, 0.0])).tolist() == [0, 0]


def leaves(count: int) -> tuple[Tensor, dict[str, Tensor]]:
    logit_B = torch.linspace(-1, 1.5, count).requires_grad_()
    auxiliary = {name: torch.linspace(0.5, -0.5, count).requires_grad_() for name in ("imputation", "exposure")}
    return logit_B, auxiliary


def reached(loss: Tensor, logit_B: Tensor, auxiliary: dict[str, Tensor]) -> set[str]:
    named = {"prediction": logit_B, **auxiliary}
    gradients = torch.autograd.grad(loss, list(named.values()), allow_unused=True, retain_graph=True)
    return {name for name, g in zip(named, gradients, strict=True) if g is not None and g.abs().sum() > 0}


@pytest.mark.parametrize("binary", [True, False], ids=["binary", "watch_time"])
@pytest.mark.parametrize("kind", JOINT)
def test_each_step_trains_its_own_model(
    kind: str, binary: bool, model_rows: Callable[..., Any], objective_of: Callable[..., Any]
) -> None:
    logit_B, auxiliary = leaves(6)
    encoded_BE = torch.randn(6, 3, generator=torch.Generator().manual_seed(0))
    rows = model_rows(
        logit_B, LABEL_B, OBSERVED_B, PROPENSITY_B, binary, auxiliary=auxiliary, encoded_BE=encoded_BE,
        second_BE=encoded_BE[:, :2],
    )  # fmt: skip
    objective = objective_of(kind)
    assert reached(objective.risk(rows), logit_B, auxiliary) == {"prediction"}
    assert reached(objective.imputation_loss(rows), logit_B, auxiliary) == {"imputation"}
    everything = {"prediction", "imputation"} | ({"exposure"} if not objective.weighs_by_propensity else set())
    assert reached(objective(rows), logit_B, auxiliary) == everything


@pytest.mark.parametrize("kind", ["dr_jl", "mrdr", "dr_bias", "dr_mse", "dt_dr"])
def test_the_imputation_step_leaves_the_predictions_gradient_alone(
    kind: str, model_rows: Callable[..., Any], objective_of: Callable[..., Any]
) -> None:
    logit_B, auxiliary = leaves(6)
    rows = model_rows(logit_B, LABEL_B, OBSERVED_B, PROPENSITY_B, auxiliary=auxiliary, second_BE=torch.ones(6, 2))
    objective = objective_of(kind)
    whole, risk = (
        torch.autograd.grad(loss, logit_B, retain_graph=True)[0] for loss in (objective(rows), objective.risk(rows))
    )
    torch.testing.assert_close(whole, risk)


@pytest.mark.parametrize("binary", [True, False], ids=["binary", "watch_time"])
def test_unobserved_rows_teach_the_prediction(
    binary: bool, model_rows: Callable[..., Any], objective_of: Callable[..., Any]
) -> None:
    """Through the pseudo-label, for watch time too, where the head's label is a step function of it: else DR were IPS."""
    logit_B, auxiliary = leaves(6)
    rows = model_rows(logit_B, LABEL_B, OBSERVED_B, PROPENSITY_B, binary, auxiliary=auxiliary)
    gradient_B = torch.autograd.grad(objective_of("dr_jl").risk(rows), logit_B, retain_graph=True)[0]
    assert (gradient_B[OBSERVED_B == 0] != 0).all()
    assert reached(imputed_error(rows, rows.auxiliary["imputation"]).sum(), logit_B, auxiliary) == {"prediction"}
    assert reached(imputation_gap(rows, rows.auxiliary["imputation"]).sum(), logit_B, auxiliary) == {"imputation"}


def test_a_mean_without_weights_is_nothing(task_rows: Callable[..., Any]) -> None:
    rows = task_rows(torch.ones(2), torch.zeros(2))
    assert weighted_mean(rows, torch.ones(2), torch.ones(2)).item() == 0
    assert weighted_mean(task_rows(torch.ones(2), torch.ones(2)), torch.zeros(2), torch.ones(2)).item() == 0
