"""The objective interface carries what is to come: a doubly robust estimator with towers of its own, written here."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Literal

import pytest
import torch
from torch import Tensor

from models.batch import Batch
from models.component import ComponentConfig
from models.objectives import OBJECTIVES
from models.objectives.base import AuxiliaryTower, Objective, TaskRows
from models.recipe import Recipe


class DoublyRobustConfig(ComponentConfig):
    kind: Literal["dr_test"] = "dr_test"


class DoublyRobust(Objective):
    """L_DR of `debias.md` section 4.2 with its imputation step, both stopped where the estimator needs it."""

    Config = DoublyRobustConfig
    auxiliary_towers = (AuxiliaryTower("imputation", hidden=(8,)), AuxiliaryTower("exposure", hidden=()))
    weighs_by_propensity = True

    def forward(self, rows: TaskRows) -> Tensor:
        pseudo_B = rows.label_of(rows.auxiliary["imputation"])
        inverse_B = rows.observed_B / rows.propensity_B
        imputed_B = rows.loss_for(rows.out_BO, pseudo_B.detach())
        prediction = (imputed_B + inverse_B * (rows.loss_B - imputed_B)).mean()
        learned_B = rows.loss_for(rows.out_BO.detach(), pseudo_B)
        imputation = (inverse_B * (rows.loss_B.detach() - learned_B).square()).mean()
        return prediction + imputation + rows.auxiliary["exposure"].square().mean()


def test_pseudo_labels_and_true_propensities_give_the_true_risk(
    selection: Callable[[int], Any], task_rows: Callable[..., TaskRows]
) -> None:
    """A wrong imputation (0 everywhere) does no harm; only the prediction part is compared."""
    problem = selection(0)
    rows = task_rows(problem.loss_B, problem.observed_B, problem.propensity_B)
    wrong_B = torch.full_like(problem.loss_B, 0.3)
    inverse_B = rows.observed_B / rows.propensity_B
    estimate = (wrong_B + inverse_B * (rows.loss_B - wrong_B)).mean().item()
    assert estimate == pytest.approx(problem.risk, abs=0.006)


def test_auxiliary_towers_are_built_trained_and_separate_per_task(
    ranker: Callable[..., Any], batch: Callable[..., Batch], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(OBJECTIVES, "dr_test", DoublyRobust)
    recipe = Recipe.model_validate({"head": {"kind": "wlr"}, "tasks": {"watch_time": {}, "skip": {}}})
    model = ranker(recipe.model_copy(update={"objective": DoublyRobustConfig()}))
    rows = replace(batch(12), observed_B=torch.tensor([1.0, 0.0] * 6))
    losses = model.losses(rows)
    model.balance.backward(losses, model.shared_parameters())
    for task in ("watch_time", "skip"):
        for name in ("imputation", "exposure"):
            gradients = [parameter.grad for parameter in model.auxiliary[task][name].parameters()]
            assert all(gradient is not None and gradient.abs().sum() > 0 for gradient in gradients)
