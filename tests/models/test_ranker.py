"""The ranker: every part runs, parameters are sorted rightly, errors name their task."""

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Literal, get_args

import numpy as np
import pytest
import torch
from torch import Tensor

from models.backbones import BACKBONES
from models.balance import BALANCES
from models.batch import Batch
from models.encoders import ENCODERS
from models.encoders.base import Encoded, EncodedShape
from models.encoders.history import HISTORIES
from models.heads import HEADS
from models.heads.base import TrainLabels
from models.objectives import OBJECTIVES
from models.ranker import Ranker, refuse_non_finite
from models.ranking import RANKINGS
from models.recipe import Recipe, TaskName
from models.schema import InputSchema
from models.trunks import TRUNKS
from models.trunks.shared_bottom import SharedBottom, SharedBottomConfig
from tests.tolerance import ulps

TASKS: dict[str, Any] = {"watch_time": {}, "skip": {"weight": 0.5}, "like": {}}
PLAIN = {
    "head": "wlr", "trunk": "shared_bottom", "encoder": "packed", "history": "none", "backbone": "none",
    "objective": "naive", "balance": "fixed", "ranking": "none",
}  # fmt: skip
REGISTRIES: dict[str, Mapping[str, Any]] = {
    "head": HEADS, "trunk": TRUNKS, "encoder": ENCODERS, "history": HISTORIES, "backbone": BACKBONES,
    "objective": OBJECTIVES, "balance": BALANCES, "ranking": RANKINGS,
}  # fmt: skip
# One part other than plain at a time: every registry may grow without the number of tests multiplying.
ONE_BY_ONE = [(part, kind) for part, registry in REGISTRIES.items() if part != "objective" for kind in registry]
HEADS_TRIED = ("wlr", "vr_mse", "tr_log", "d2q")
"""Heads with and without a native mean, a latent label, a smooth label."""
TRUNKS_TRIED = ("shared_bottom", "mmoe")


def recipe_of(
    head: str,
    trunk: str,
    history: str,
    objective: str,
    balance: str,
    encoder: str = "packed",
    backbone: str = "none",
    ranking: str = "none",
) -> dict[str, Any]:
    """Return a small recipe; what the objective requires of the rest comes with it."""
    rule = OBJECTIVES[objective]
    widths = {"hidden": (6, 4)} if "hidden" in TRUNKS[trunk].Config.model_fields else {}
    inputs = {"embedding_dim": 3, "history": {"kind": history}} if encoder == "packed" else {}
    return {
        "head": {"kind": head},
        "trunk": {"kind": trunk, **widths},
        "encoder": {"kind": encoder, **inputs},
        "backbone": {"kind": backbone},
        "objective": {"kind": objective},
        "balance": {"kind": balance},
        "ranking": {"kind": ranking},
        "selection": {"kind": "click" if rule.needs_unobserved else "impression"},
        "set_apart": ("scene",) if rule.second_reads == "apart" else (),
        "tasks": TASKS if BALANCES[balance].uses_weights else {task: {} for task in TASKS},
    }


def train_and_predict(model: Ranker, rows: Batch) -> None:
    losses = model.losses(rows)
    assert list(losses) == ["watch_time", "skip", "like"]
    total = model.balance.backward(losses, model.shared_parameters())
    assert torch.isfinite(total)
    # Those of an objective may belong to another kind of task, as a scale of watch time does.
    own = {id(parameter) for parameter in model.objectives.parameters()}
    for parameter in model.parameters():
        assert parameter.grad is not None or id(parameter) in own
        if parameter.grad is not None:
            gradient = parameter.grad.coalesce().values() if parameter.grad.is_sparse else parameter.grad
            assert torch.isfinite(gradient).all()
    predictions = model.eval().predict(rows)
    assert predictions.score_B.shape == (9,)
    assert set(predictions.probability) == {"skip", "like"}
    assert all(((p > 0) & (p < 1)).all() for p in predictions.probability.values())


@pytest.mark.parametrize(("part", "kind"), ONE_BY_ONE)
def test_every_part_trains_and_predicts(
    part: str, kind: str, ranker: Callable[..., Ranker], batch: Callable[..., Batch]
) -> None:
    train_and_predict(ranker(recipe_of(**{**PLAIN, part: kind})), batch(9))


@pytest.mark.slow
@pytest.mark.parametrize("trunk", TRUNKS_TRIED)
@pytest.mark.parametrize("objective", OBJECTIVES)
def test_every_objective_trains_or_names_the_heads_it_needs(
    objective: str, trunk: str, ranker: Callable[..., Ranker], batch: Callable[..., Batch]
) -> None:
    """With rows of both kinds where it learns from unobserved ones. No objective may refuse every head."""
    rows = batch(9, unobserved=OBJECTIVES[objective].needs_unobserved)
    refused = []
    for head in HEADS_TRIED:
        model = ranker(recipe_of(head, trunk, "pooled", objective, "fixed"))
        try:
            model.losses(rows)
        except ValueError as error:
            assert re.search(f"'{objective}'.*head.*choose", str(error), re.DOTALL), error
            refused.append(head)
        else:
            train_and_predict(model, rows)
    assert len(refused) < len(HEADS_TRIED)


def test_equal_seeds_give_equal_weights(ranker: Callable[..., Ranker]) -> None:
    recipe = recipe_of("d2q", "mmoe", "attention", "ips", "bounded_uncertainty")
    first, second = ranker(recipe).state_dict(), ranker(recipe).state_dict()
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_every_parameter_has_one_optimizer(ranker: Callable[..., Ranker]) -> None:
    model = ranker(recipe_of("d2q", "mmoe", "attention", "ips", "bounded_uncertainty"))
    packed = {id(parameter) for parameter in model.embedding_parameters()}
    dense = {id(parameter) for parameter in model.dense_parameters()}
    undecayed = {id(parameter) for parameter in model.undecayed_parameters()}
    shared = {id(parameter) for parameter in model.shared_parameters()}
    assert packed == {id(model.encoder.table.weight)}
    assert packed.isdisjoint(dense)
    assert packed | dense == {id(parameter) for parameter in model.parameters()}
    assert undecayed == {id(parameter) for parameter in model.balance.parameters()}
    assert undecayed < dense
    assert shared < dense - undecayed
    assert not shared & {id(parameter) for parameter in model.towers.parameters()}


@pytest.mark.parametrize("trunk", TRUNKS)
def test_several_tasks_reach_the_shared_parameters(
    trunk: str, ranker: Callable[..., Ranker], batch: Callable[..., Batch]
) -> None:
    """Gradient rules (PCGrad ...) take each task's gradient on them; no task alone need reach all (gates of PLE)."""
    model = ranker(recipe_of("wlr", trunk, "pooled", "naive", "fixed"))
    shared = model.shared_parameters()
    encoder = {id(parameter) for parameter in model.encoder.parameters()}
    reached: set[int] = set()
    for loss in model.losses(batch(9)).values():
        gradients = torch.autograd.grad(loss, shared, retain_graph=True, allow_unused=True)
        found = {id(p): g for p, g in zip(shared, gradients, strict=True) if g is not None}
        assert all(torch.isfinite(gradient).all() for gradient in found.values())
        assert encoder & {id(parameter) for parameter in shared} <= found.keys()
        reached |= found.keys()
    assert reached == {id(parameter) for parameter in shared}


@pytest.mark.parametrize(
    ("trunk", "balance"),
    [*((trunk, "fixed") for trunk in TRUNKS), *(("shared_bottom", balance) for balance in BALANCES)],
)
def test_every_task_has_a_usable_name(trunk: str, balance: str) -> None:
    """The task `forward` is also the name of a method of every module."""
    recipe = Recipe.model_validate(
        {"trunk": {"kind": trunk}, "balance": {"kind": balance}, "tasks": {task: {} for task in get_args(TaskName)}}
    )
    schema = InputSchema(fields=(("video_id", 5),), num_dense=1)
    labels = TrainLabels(np.linspace(0, 9, 50), np.full(50, 10.0))
    state = HEADS[recipe.head.kind].fit_state(recipe.head, labels)
    assert Ranker(recipe, schema, state).trained_tasks == get_args(TaskName)


@pytest.mark.parametrize(("task", "field"), [("watch_time", "watch_B"), ("skip", "labels")])
def test_a_loss_that_is_not_finite_names_its_task(
    task: str, field: str, ranker: Callable[..., Ranker], batch: Callable[..., Batch]
) -> None:
    rows = batch(9)
    broken_B = torch.full((9,), float("nan"))
    bad = broken_B if field == "watch_B" else {**rows.labels, task: broken_B}
    model = ranker(recipe_of("vr_mse", "shared_bottom", "none", "naive", "fixed"))
    with pytest.raises(FloatingPointError, match=rf"not finite: \{{'{task}': nan\}}"):
        refuse_non_finite(model.losses(replace(rows, **{field: bad})))


def test_weighting_needs_propensities(ranker: Callable[..., Ranker], batch: Callable[..., Batch]) -> None:
    model = ranker(recipe_of("wlr", "shared_bottom", "none", "ips", "fixed"))
    with pytest.raises(ValueError, match="objective 'ips' weighs by propensity, but the batch has none"):
        model.losses(replace(batch(3), propensity_B=None))


def test_absent_masks_mean_observed_by_policy(ranker: Callable[..., Ranker], batch: Callable[..., Batch]) -> None:
    model = ranker(recipe_of("wlr", "shared_bottom", "none", "naive", "fixed")).eval()
    rows = batch(5)
    given, absent = model.losses(rows), model.losses(replace(rows, observed_B=None, random_B=None))
    assert all(torch.equal(given[task], absent[task]) for task in given)


def test_frozen_tasks_are_neither_trained_nor_predicted(
    ranker: Callable[..., Ranker], batch: Callable[..., Batch]
) -> None:
    model = ranker(recipe_of("wlr", "mmoe", "none", "naive", "bounded_uncertainty"), frozen_tasks=("like",))
    rows = batch(9)
    losses = model.losses(rows)
    model.balance.backward(losses, model.shared_parameters())
    assert set(losses) == {"watch_time", "skip"}
    assert all(parameter.grad is None for parameter in model.towers["like"].parameters())
    assert set(model.eval().predict(rows).probability) == {"skip"}


@pytest.mark.parametrize("history", HISTORIES)
def test_batch_mates_do_not_matter(history: str, ranker: Callable[..., Ranker], batch: Callable[..., Batch]) -> None:
    model = ranker(recipe_of("d2q", "mmoe", history, "naive", "fixed")).eval()
    rows = batch(9)
    whole, part = model.predict(rows), model.predict(row_slice(rows, 2, 4))
    torch.testing.assert_close(whole.score_B[2:4], part.score_B, rtol=ulps(8), atol=ulps(8))
    torch.testing.assert_close(whole.probability["skip"][2:4], part.probability["skip"], rtol=ulps(8), atol=ulps(8))


def row_slice(rows: Batch, start: int, stop: int) -> Batch:
    history = rows.history
    cut = replace(
        history,
        fields={name: ids[start:stop] for name, ids in history.fields.items()},
        **{name: getattr(history, name)[start:stop] for name in ("feedback_BL", "ratio_BL", "gap_BL", "mask_BL")},
    )
    return Batch(rows.ids_BF[start:stop], rows.dense_BN[start:stop], rows.duration_B[start:stop], cut)


def test_native_decodes_follow_the_head(ranker: Callable[..., Ranker], batch: Callable[..., Batch]) -> None:
    natives = {}
    for head in HEADS:
        found = ranker({"head": {"kind": head}}).eval().predict(batch(3))
        natives[head] = (found.mean_B is not None, found.median_B is not None)
    assert natives["vr_mse"] == (True, False)
    assert natives["vr_l1"] == (False, True)
    assert natives["wlr"] == (True, False)
    assert natives["d2q"] == (False, True)


def test_diagnostics_are_the_trunks(ranker: Callable[..., Ranker], batch: Callable[..., Batch]) -> None:
    numbers = ranker(recipe_of("d2q", "mmoe", "none", "naive", "fixed")).diagnostics(batch(9))
    gates = {f"trunk_gate_entropy/{task}" for task in ("watch_time", "skip", "like")}
    assert set(numbers) == {*gates, "trunk_dead_experts"}


class ChainConfig(SharedBottomConfig):
    kind: Literal["chain_test"] = "chain_test"


class Chain(SharedBottom):
    """An ESMM chain as a later trunk would write it: the like tower speaks given the skip tower's event."""

    Config = ChainConfig

    def couple(self, raw: dict[str, Tensor]) -> dict[str, Tensor]:
        product = torch.sigmoid(raw["skip"]) * torch.sigmoid(raw["like"])
        return {**raw, "like": torch.logit(product)}


def test_a_trunk_may_couple_its_tasks(
    ranker: Callable[..., Ranker], batch: Callable[..., Batch], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(TRUNKS, "chain_test", Chain)
    recipe = Recipe.model_validate({"tasks": TASKS}).model_copy(update={"trunk": ChainConfig()})
    model = ranker(recipe).eval()
    found = model.predict(batch(9)).probability
    assert (found["like"] < found["skip"]).all()
    assert set(model.losses(batch(9))) == {"watch_time", "skip", "like"}


def test_a_trunk_knows_its_input_before_the_first_batch(
    ranker: Callable[..., Ranker], batch: Callable[..., Batch]
) -> None:
    for history in HISTORIES:
        model = ranker(recipe_of("d2q", "mmoe", history, "naive", "fixed"))
        encoded: Encoded = model.encoder(batch(4))
        shape: EncodedShape = model.encoder.shape
        assert encoded.fields_BFD.shape == (4, shape.num_fields, shape.embedding_dim)
        assert encoded.flat_BE.shape == (4, shape.width)


FURTHER = {"head": {"kind": "d2q"}, "further_heads": {"mean": {"head": {"kind": "wlr"}, "weight": 0.5}}, "tasks": TASKS}


def test_a_further_head_is_a_task_of_its_own(ranker: Callable[..., Ranker], batch: Callable[..., Batch]) -> None:
    model, rows = ranker(FURTHER).eval(), batch(16)
    losses, found = model.losses(rows), model.predict(rows)
    assert list(losses) == ["watch_time", "watch_time_mean", "skip", "like"]
    assert set(found.further_scores) == {"watch_time_mean"}
    assert set(found.probability) == {"skip", "like"}
    raw = model(rows)
    torch.testing.assert_close(found.score_B, model.head.score(raw["watch_time"], rows.duration_B))
    expected_B = model.further_heads["watch_time_mean"].decode_mean(raw["watch_time_mean"], rows.duration_B)
    torch.testing.assert_close(found.mean_B, expected_B)  # d2q has no native mean: the next head's is taken


def test_heads_keep_their_label_states_apart(ranker: Callable[..., Ranker], batch: Callable[..., Batch]) -> None:
    rows = batch(64, 1)
    labels = TrainLabels(rows.watch_B.double().numpy(), rows.duration_B.double().numpy())
    recipe = Recipe.model_validate(
        {"head": {"kind": "d2q"}, "further_heads": {"more": {"head": {"kind": "d2q", "groups": 3}}}}
    )
    state = recipe.fit_head_state(labels)
    for task, head in recipe.heads.items():
        alone = HEADS[head.kind].fit_state(head, labels)
        part = recipe.head_state(task, state)
        assert set(part) == set(alone)
        for name, value in alone.items():
            np.testing.assert_array_equal(part[name], value)


def test_the_weight_of_a_further_head_scales_its_gradient(
    ranker: Callable[..., Ranker], batch: Callable[..., Batch]
) -> None:
    def gradient(weight: float) -> Tensor:
        model = ranker({**FURTHER, "further_heads": {"mean": {"head": {"kind": "wlr"}, "weight": weight}}}).eval()
        model.balance.backward(model.losses(batch(16)), model.shared_parameters())
        grad = model.towers["watch_time_mean"].output.weight.grad
        assert grad is not None
        return grad

    torch.testing.assert_close(gradient(2.0), 4 * gradient(0.5))


def test_a_further_head_needs_a_name_that_can_be_a_column() -> None:
    with pytest.raises(ValueError, match="letters, digits and underscores"):
        Recipe.model_validate({"further_heads": {"a b": {"head": {"kind": "wlr"}}}})


def test_a_level_of_a_field_that_is_not_there_is_an_error(
    ranker: Callable[..., Ranker], batch: Callable[..., Batch]
) -> None:
    rows = ranker({"head": {"kind": "wlr"}}).task_rows(batch(4))["watch_time"]
    assert rows.level_of is not None
    assert rows.level_of("scene").shape == (4,)
    with pytest.raises(ValueError):
        rows.level_of("position")
