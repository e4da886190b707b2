"""Which recipes learn from selected rows: what says so is held to it, part by part of the registries."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from models.batch import Batch
from models.objectives import OBJECTIVES
from models.ranker import Ranker
from models.recipe import Recipe
from tasks.train.unweighed import message, unweighed
from tests.models.conftest import make_batch
from tests.models.test_ranker import ONE_BY_ONE, PLAIN, recipe_of
from tests.tolerance import ulps
from tests.train.test_step_on_card import ranker_of

ROWS = 12
COPIES = torch.tensor([1, 3, 2, 1, 1, 4, 2, 1, 1, 2, 5, 1])
"""How many rows of the fit days each of the selected ones stands for."""
WEIGHTS = COPIES / COPIES.float().mean()
RECIPES = {
    (part, kind): Recipe.model_validate(recipe_of(**{**PLAIN, part: kind}))
    for part, kind in [*ONE_BY_ONE, *(("objective", kind) for kind in OBJECTIVES)]
}
RECIPES["adversary", "duration"] = Recipe.model_validate({**recipe_of(**PLAIN), "adversary": {}})
RECIPES["trunk", "aitm"] = Recipe.model_validate(
    recipe_of(**{**PLAIN, "trunk": "aitm"}) | {"tasks": {"watch_time": {}, "skip": {}, "valid_play": {}}}
)
RECIPES["further_heads", "d2q"] = Recipe.model_validate(
    {**recipe_of(**PLAIN), "further_heads": {"d": {"head": {"kind": "d2q"}}}}
)
for normalise in ("batch", "running"):
    RECIPES["objective", f"ips, {normalise}"] = Recipe.model_validate(
        recipe_of(**{**PLAIN, "objective": "ips"}) | {"propensity": {"kind": "popularity", "self_normalise": normalise}}
    )
BIASED = {("trunk", "aitm"), ("trunk", "home"), ("adversary", "duration")}
"""Refused for what they compute from the rows as they come."""


def rows_of(recipe: Recipe) -> Batch:
    """Return impressions, each of which stands for itself alone."""
    rows = make_batch(ROWS)
    labels = {name: rows.labels["skip" if place % 2 else "like"] for place, name in enumerate(recipe.label_names)}
    return replace(rows.take(slice(None)), labels=labels, weight_B=None)


def learned(recipe: Recipe, batch: Batch) -> list[Tensor]:
    """Return losses and gradients of a batch, nothing dropped out."""
    torch.manual_seed(0)
    ranker: Ranker = ranker_of(recipe)
    for module in ranker.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    torch.manual_seed(1)
    losses = ranker.losses(batch)
    ranker.balance.backward(losses, ranker.shared_parameters())
    gradients = [torch.zeros_like(p) if p.grad is None else p.grad.to_dense() for p in ranker.parameters()]
    return [torch.stack(list(losses.values())).detach(), *gradients]


def of_copies_and_of_weights(recipe: Recipe) -> tuple[list[Tensor], list[Tensor]]:
    """Return what a batch of copies teaches, and one in which every row stands for its copies."""
    rows = rows_of(recipe)
    copies = rows.take(torch.arange(ROWS).repeat_interleave(COPIES))
    weighted = replace(rows, pool_B=WEIGHTS)
    return learned(recipe, copies), learned(recipe, weighted)


def gap(expected: list[Tensor], got: list[Tensor]) -> float:
    """Return the largest difference over the largest value."""
    largest = max(float(value.abs().max()) for value in expected)
    assert largest > 0
    return max(float((a - b).abs().max()) for a, b in zip(expected, got, strict=True)) / largest


@pytest.mark.parametrize(("part", "kind"), [key for key, recipe in RECIPES.items() if not unweighed(recipe)])
def test_a_row_of_weight_k_teaches_what_k_rows_do(part: str, kind: str) -> None:
    assert gap(*of_copies_and_of_weights(RECIPES[part, kind])) < ulps(64)


@pytest.mark.parametrize(("part", "kind"), sorted(BIASED))
def test_what_is_refused_would_learn_something_else(part: str, kind: str) -> None:
    assert unweighed(RECIPES[part, kind])
    assert gap(*of_copies_and_of_weights(RECIPES[part, kind])) > 1e-4


def test_without_weights_the_rows_teach_something_else() -> None:
    """The wrong twin of the first test: it would pass if the copies were too few to tell."""
    recipe = RECIPES["head", "wlr"]
    copies, _ = of_copies_and_of_weights(recipe)
    assert gap(copies, learned(recipe, rows_of(recipe))) > 1e-2


@pytest.mark.parametrize("kind", ["naive", "ips"])
def test_losses_of_parts_add_up_to_that_of_the_whole(kind: str) -> None:
    """Weights that were normalised within a batch would not: their quotient is biased, the more the smaller the batch."""
    recipe = RECIPES["objective", kind]
    rows = replace(rows_of(recipe), pool_B=WEIGHTS)
    torch.manual_seed(0)
    ranker = ranker_of(recipe).eval()
    whole, *parts = (ranker.losses(rows.take(part)) for part in (slice(None), slice(0, 4), slice(4, ROWS)))
    for task, loss in whole.items():
        torch.testing.assert_close(4 / 12 * parts[0][task] + 8 / 12 * parts[1][task], loss)


def test_what_knows_no_weights_is_named() -> None:
    written: dict[str, Any] = {
        "objective": {"kind": "dr_jl"}, "selection": {"kind": "click"}, "ranking": {"kind": "pairs"},
        "trunk": {"kind": "home"}, "adversary": {},
    }  # fmt: skip
    recipe = Recipe.model_validate(written)
    parts = ["objective 'dr_jl'", "ranking 'pairs'", "trunk 'home'", "adversary", "selection 'click'"]
    assert unweighed(recipe) == parts
    assert message("recipe 'r'", parts[:2]).startswith(
        "recipe 'r' cannot learn from the rows that table.selection keeps: objective 'dr_jl', ranking 'pairs' know(s) no weights"
    )
