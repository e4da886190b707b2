"""Which recipes several processes can fit together: what says so is held to it, part by part of the registries."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from models.batch import Batch
from models.ranker import Ranker
from models.recipe import Recipe
from tasks.core.errors import ConfigError
from tasks.train.divided import refuse_undivided, undivided
from tests.models.conftest import make_batch
from tests.models.test_ranker import ONE_BY_ONE, PLAIN, recipe_of
from tests.tolerance import ulps
from tests.train.test_step_on_card import ranker_of

ROWS, FIRST = 24, 10
RECIPES = {(part, kind): Recipe.model_validate(recipe_of(**{**PLAIN, part: kind})) for part, kind in ONE_BY_ONE}
RECIPES["adversary", "duration"] = Recipe.model_validate({**recipe_of(**PLAIN), "adversary": {}})
RECIPES["further_heads", "d2q"] = Recipe.model_validate(
    {**recipe_of(**PLAIN), "further_heads": {"d": {"head": {"kind": "d2q"}}}}
)
RECIPES["head", "cread with bins that grow"] = Recipe.model_validate(
    recipe_of(**PLAIN) | {"head": {"kind": "cread", "progressive_steps": 10, "thresholds": 128}}
)
TORN = {"famo", "gradnorm", "pcgrad", "cagrad", "db_mtl", "home"}
"""Balance rules and trunks that are refused for what they compute from a batch."""


def gradients(ranker: Ranker, batch: Batch) -> list[Tensor]:
    for parameter in ranker.parameters():
        parameter.grad = None
    torch.manual_seed(1)
    ranker.balance.backward(ranker.losses(batch), ranker.shared_parameters())
    return [torch.zeros_like(p) if p.grad is None else p.grad.to_dense().clone() for p in ranker.parameters()]


def of_whole_and_of_parts(recipe: Recipe) -> tuple[list[Tensor], list[Tensor]]:
    """Return the gradient of a batch, and the mean of those of its two parts by their rows, nothing dropped out."""
    torch.manual_seed(0)
    ranker, rows = ranker_of(recipe), make_batch(ROWS)
    rows = replace(rows, labels=dict.fromkeys(recipe.label_names, rows.labels["skip"]))
    for module in ranker.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    before = {name: value.clone() for name, value in ranker.state_dict().items()}
    found = []
    for part in (slice(0, ROWS), slice(0, FIRST), slice(FIRST, ROWS)):
        ranker.load_state_dict(before)
        found.append(gradients(ranker, rows.take(part)))
    whole, one, other = found
    return whole, [(FIRST * a + (ROWS - FIRST) * b) / ROWS for a, b in zip(one, other, strict=True)]


@pytest.mark.parametrize(("part", "kind"), [key for key, recipe in RECIPES.items() if not undivided(recipe)])
def test_the_gradient_of_a_batch_is_the_mean_of_those_of_its_parts(part: str, kind: str) -> None:
    whole, parts = of_whole_and_of_parts(RECIPES[part, kind])
    largest = max(float(value.abs().max()) for value in whole)
    assert largest > 0
    for expected, got in zip(whole, parts, strict=True):
        torch.testing.assert_close(got, expected, rtol=0, atol=ulps(32) * largest)


@pytest.mark.parametrize(("part", "kind"), [key for key in RECIPES if key[1] in TORN])
def test_what_is_refused_would_learn_something_else(part: str, kind: str) -> None:
    whole, parts = of_whole_and_of_parts(RECIPES[part, kind])
    largest = max(float(value.abs().max()) for value in whole)
    assert max(float((a - b).abs().max()) for a, b in zip(whole, parts, strict=True)) > 1e-3 * largest


def test_what_cannot_be_fitted_together_is_named() -> None:
    recipe = Recipe.model_validate(
        {"objective": {"kind": "dr_jl"}, "selection": {"kind": "click"}, "balance": {"kind": "pcgrad"},
         "ranking": {"kind": "pairs"}, "trunk": {"kind": "home"}}
    )  # fmt: skip
    assert undivided(recipe) == [
        "objective 'dr_jl'", "balance 'pcgrad'", "ranking 'pairs'", "trunk 'home'", "selection 'click'",
    ]  # fmt: skip
    refuse_undivided("r", recipe, 1)
    with pytest.raises(
        ConfigError, match=r"recipe 'r' cannot be fitted by 2 processes: objective 'dr_jl', .*'click' need"
    ):
        refuse_undivided("r", recipe, 2)
