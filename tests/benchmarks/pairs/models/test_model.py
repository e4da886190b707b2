from dataclasses import replace

import pytest
import torch

from benchmarks.pairs.models.base import PairInputs
from benchmarks.pairs.models.model import PairBatch, PairModel, PairRecipe, what_pairs_lack
from models.objectives import OBJECTIVES

INPUTS = PairInputs(6, 5, torch.zeros(6, 0), torch.zeros(5, 0))
RUNNABLE = [kind for kind, objective in OBJECTIVES.items() if what_pairs_lack(objective) is None]


def model(kind: str = "naive", **recipe: object) -> PairModel:
    torch.manual_seed(0)
    return PairModel(PairRecipe.model_validate({"objective": {"kind": kind}, **recipe}), INPUTS)


def batch() -> PairBatch:
    return PairBatch(
        user_B=torch.tensor([0, 1, 2, 3, 4, 5]),
        item_B=torch.tensor([0, 1, 2, 3, 4, 0]),
        label_B=torch.tensor([1.0, 0.0, 1.0, 0.0, 0.0, 0.0]),
        observed_B=torch.tensor([1.0, 1.0, 1.0, 0.0, 0.0, 0.0]),
        weight_B=torch.tensor([0.05, 0.05, 0.1, 0.3, 0.3, 0.2]),
        propensity_B=torch.tensor([0.5, 0.25, 0.1, 0.2, 0.2, 0.2]),
    )


def test_naive_is_the_weighted_mean_loss_of_the_observed() -> None:
    found, rows = model(), batch()
    logit_B = found.scorer(rows.user_B, rows.item_B)[0]
    loss_B = torch.nn.functional.binary_cross_entropy_with_logits(logit_B, rows.label_B, reduction="none")
    assert found.loss(rows).item() == pytest.approx(
        ((0.05 * loss_B[0] + 0.05 * loss_B[1] + 0.1 * loss_B[2]) / 0.2).item()
    )


def test_ips_is_the_weighted_mean_over_all_pairs() -> None:
    found, rows = model("ips"), batch()
    logit_B = found.scorer(rows.user_B, rows.item_B)[0]
    loss_B = torch.nn.functional.binary_cross_entropy_with_logits(logit_B, rows.label_B, reduction="none")
    expected = 0.05 * loss_B[0] / 0.5 + 0.05 * loss_B[1] / 0.25 + 0.1 * loss_B[2] / 0.1
    assert found.loss(rows).item() == pytest.approx(expected.item(), rel=1e-5)


def test_squared_loss_is_that_of_the_probability() -> None:
    found = model(row_loss="squared")
    out_BO, target_B = torch.tensor([[0.0], [2.0]]), torch.tensor([1.0, 0.0])
    assert torch.allclose(found.row_loss(out_BO, target_B), (torch.sigmoid(out_BO[:, 0]) - target_B).square())


@pytest.mark.parametrize("kind", RUNNABLE)
def test_labels_and_losses_of_unobserved_rows_move_nothing(kind: str) -> None:
    rows = batch()
    flipped = replace(rows, label_B=torch.where(rows.observed_B > 0, rows.label_B, 1 - rows.label_B))
    first, second = model(kind), model(kind)
    assert torch.allclose(first.loss(rows), second.loss(flipped))


@pytest.mark.parametrize("kind", RUNNABLE)
def test_every_scorer_and_tower_is_trained(kind: str) -> None:
    found = model(kind)
    found.loss(batch()).backward()
    assert found.scorer.user.weight.grad is not None
    for name, module in found.auxiliary.items():
        moved = any(p.grad is not None and p.grad.abs().sum() > 0 for p in module.parameters())
        assert moved or name.startswith("environment"), name


@pytest.mark.parametrize("kind", RUNNABLE)
def test_groups_hold_every_parameter_once_and_the_objectives_own_without_decay(kind: str) -> None:
    found = model(kind)
    groups = found.parameter_groups(0.1)
    listed = [id(p) for group in groups for p in group["params"]]
    assert sorted(listed) == sorted(id(p) for p in found.parameters() if p.requires_grad)
    undecayed = {id(p) for group in groups if group["weight_decay"] == 0 for p in group["params"]}
    assert {id(p) for p in found.objective.parameters() if p.requires_grad} <= undecayed


def test_towers_of_the_second_encoder_have_parameters_of_their_own() -> None:
    found = model("dr_jl")
    assert found.auxiliary["imputation"] is found.second
    main = {id(p) for p in found.scorer.parameters()}
    assert main.isdisjoint(id(p) for p in found.auxiliary.parameters())
