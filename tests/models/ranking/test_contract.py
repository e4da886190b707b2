"""Every head, trunk and kind of task under every term: the score passes a gradient, and without weight nothing changes."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeAlias

import pytest
import torch

from models.batch import Batch
from models.heads import HEADS
from models.ranker import Ranker
from models.ranking import RANKINGS
from models.recipe import Recipe
from models.trunks import TRUNKS

Build: TypeAlias = Callable[..., Ranker]
Rows: TypeAlias = Callable[..., Batch]
TERMS = [kind for kind in RANKINGS if kind != "none"]


def added(ranker: Build, rows: Batch, recipe: dict[str, Any], task: str) -> torch.Tensor:
    """Return what the term alone asks of the task's tower."""
    model = ranker(recipe)
    seen = model.task_rows(rows)[task]
    term = model.rankings[task]
    loss = term(seen.loss_B.mean(), seen.out_BO, model._listed(task, seen, rows))
    assert loss > 0
    (gradient_BO,) = torch.autograd.grad(loss, seen.out_BO)
    return gradient_BO


@pytest.mark.parametrize("kind", HEADS)
@pytest.mark.parametrize("ranking", TERMS)
def test_every_heads_score_passes_a_gradient(ranking: str, kind: str, ranker: Build, batch: Rows) -> None:
    gradient_BO = added(ranker, batch(30), {"head": {"kind": kind}, "ranking": {"kind": ranking}}, "watch_time")
    assert torch.isfinite(gradient_BO).all()
    assert (gradient_BO.abs().sum(dim=1) > 0).float().mean() > 0.5


@pytest.mark.parametrize("trunk", TRUNKS)
def test_every_trunk_is_reached(trunk: str, ranker: Build, batch: Rows) -> None:
    ranking = {"kind": "pairs", "tasks": ["watch_time", "skip"]}
    recipe = {"trunk": {"kind": trunk}, "tasks": {"watch_time": {}, "skip": {}}, "ranking": ranking}
    for task in ("watch_time", "skip"):
        assert (added(ranker, batch(30), recipe, task) != 0).any()


def test_a_further_head_may_be_ranked_alone(ranker: Build, batch: Rows) -> None:
    recipe = {
        "further_heads": {"second": {"head": {"kind": "tr_log"}}},
        "ranking": {"kind": "jrc", "tasks": ["watch_time_second"]},
    }
    model = ranker(recipe)
    assert [task for task, _ in model.rankings.items()] == ["watch_time_second"]
    assert (added(ranker, batch(30), recipe, "watch_time_second") != 0).any()


def test_the_term_is_part_of_training_and_not_of_the_validation_loss(ranker: Build, batch: Rows) -> None:
    recipe = {"trunk": {"kind": "shared_bottom", "dropout": 0.0}, "tower": {"dropout": 0.0}}
    plain, ranked = ranker(recipe), ranker(recipe | {"ranking": {"kind": "pairs"}})
    rows = batch(30)
    assert ranked.losses(rows)["watch_time"] > plain.losses(rows)["watch_time"]
    assert torch.equal(ranked.eval().losses(rows)["watch_time"], plain.eval().losses(rows)["watch_time"])


@pytest.mark.parametrize("ranking", TERMS)
def test_weight_0_is_the_plain_recipe(ranking: str, ranker: Build, batch: Rows) -> None:
    plain, without = ranker({}), ranker({"ranking": {"kind": ranking, "weight": 0.0}})
    assert not without.recipe.ranking.grouped
    assert plain.state_dict().keys() == without.state_dict().keys()
    assert all(torch.equal(value, without.state_dict()[name]) for name, value in plain.state_dict().items())
    assert torch.equal(*(losses_of(model, batch(30)) for model in (plain, without)))


def losses_of(model: Ranker, rows: Batch) -> torch.Tensor:
    torch.manual_seed(0)
    return model.losses(replace(rows, group_B=None, pair_P2=None))["watch_time"]


def test_rows_without_a_label_are_compared_with_none(ranker: Build, batch: Rows) -> None:
    rows = batch(30, unobserved=True)
    model = ranker({"ranking": {"kind": "pairs"}})
    listed = model._listed("watch_time", model.task_rows(rows)["watch_time"], rows)
    assert ((listed.group_B >= 0) == (rows.observed_B > 0)).all()


def test_pairs_are_weighed_by_both_propensities(ranker: Build, batch: Rows) -> None:
    rows = batch(30)
    model = ranker({"ranking": {"kind": "pairs", "estimand": "candidates"}})
    listed = model._listed("watch_time", model.task_rows(rows)["watch_time"], rows)
    torch.testing.assert_close(listed.weight_B[:-1], 1 / rows.propensity_B[:-1])
    assert listed.weight_B[-1] == 1, "a random exposure is no choice of the policy"
    with pytest.raises(ValueError, match="ranking 'pairs' weighs by propensity, but the batch has none"):
        model.losses(replace(rows, propensity_B=None))


def test_batches_without_lists_are_refused(ranker: Build, batch: Rows) -> None:
    with pytest.raises(ValueError, match="ranking 'jrc' compares rows of one list, but the batch has no lists"):
        ranker({"ranking": {"kind": "jrc"}}).losses(replace(batch(3), group_B=None))


@pytest.mark.parametrize(
    ("ranking", "message"),
    [
        ({"kind": "pairs", "tasks": ["skip"]}, r"ranking\.tasks names 'skip', which this recipe does not learn: choose among watch_time"),
        ({"kind": "pairs", "match": "residual", "tasks": ["watch_time", "like"]}, "match: residual compares seconds, and like has none"),
        ({"kind": "pairs", "weights": "gap", "tasks": ["like"]}, "weights: gap compares seconds, and like has none"),
        ({"kind": "pairs", "weight": -0.1}, "weight"),
        ({"kind": "pairs", "lists": "user"}, "user_day"),
    ],
)  # fmt: skip
def test_what_cannot_be_ranked_is_refused_where_it_is_read(ranking: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Recipe.model_validate({"ranking": ranking})


def test_a_recipe_without_a_term_says_what_it_said() -> None:
    assert "ranking" not in Recipe().model_dump()
    ranked = Recipe.model_validate({"ranking": {"kind": "none", "keep_lists": True}})
    assert Recipe.model_validate(ranked.model_dump(mode="json")) == ranked
