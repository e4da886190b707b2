"""The ranker: every combination runs, parameters are sorted rightly, errors name their task."""

import itertools
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Literal, get_args

import numpy as np
import pytest
import torch
from torch import Tensor

from models.balance import BALANCES
from models.batch import Batch
from models.encoders.base import Encoded, EncodedShape
from models.encoders.history import HISTORIES
from models.heads import HEADS
from models.heads.base import TrainLabels
from models.objectives import OBJECTIVES
from models.ranker import InputSchema, Ranker
from models.recipe import Recipe, TaskName
from models.trunks import TRUNKS
from models.trunks.shared_bottom import SharedBottom, SharedBottomConfig

TASKS: dict[str, Any] = {"watch_time": {}, "skip": {"weight": 0.5}, "like": {}}
COMBINATIONS = list(itertools.product(HEADS, TRUNKS, HISTORIES, OBJECTIVES, BALANCES))


def recipe_of(head: str, trunk: str, history: str, objective: str, balance: str) -> dict[str, Any]:
    return {
        "head": {"kind": head},
        "trunk": {"kind": trunk, "hidden": (6, 4)},
        "encoder": {"embedding_dim": 3, "history": {"kind": history}},
        "objective": {"kind": objective},
        "balance": {"kind": balance},
        "tasks": TASKS,
    }


@pytest.mark.parametrize("choice", COMBINATIONS, ids="-".join)
def test_every_combination_trains_and_predicts(
    choice: tuple[str, ...], ranker: Callable[..., Ranker], batch: Callable[..., Batch]
) -> None:
    model, rows = ranker(recipe_of(*choice)), batch(9)
    losses = model.losses(rows)
    assert list(losses) == ["watch_time", "skip", "like"]
    total = model.balance.backward(losses, model.shared_parameters())
    assert torch.isfinite(total)
    for parameter in model.parameters():
        assert parameter.grad is not None
        gradient = parameter.grad.coalesce().values() if parameter.grad.is_sparse else parameter.grad
        assert torch.isfinite(gradient).all()
    predictions = model.eval().predict(rows)
    assert predictions.score_B.shape == (9,)
    assert set(predictions.probability) == {"skip", "like"}
    assert all(((p > 0) & (p < 1)).all() for p in predictions.probability.values())


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
def test_every_task_reaches_every_shared_parameter(
    trunk: str, ranker: Callable[..., Ranker], batch: Callable[..., Batch]
) -> None:
    """Gradient rules (PCGrad ...) take each task's gradient on the shared parameters."""
    model = ranker(recipe_of("wlr", trunk, "pooled", "naive", "fixed"))
    for loss in model.losses(batch(9)).values():
        gradients = torch.autograd.grad(loss, model.shared_parameters(), retain_graph=True)
        assert all(torch.isfinite(gradient).all() for gradient in gradients)


@pytest.mark.parametrize("balance", BALANCES)
@pytest.mark.parametrize("trunk", TRUNKS)
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
        model.losses(replace(rows, **{field: bad}))


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
    torch.testing.assert_close(whole.score_B[2:4], part.score_B, rtol=0, atol=1e-5)
    torch.testing.assert_close(whole.probability["skip"][2:4], part.probability["skip"], rtol=0, atol=1e-6)


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
    assert set(numbers) == {"gate_entropy/watch_time", "gate_entropy/skip", "gate_entropy/like", "dead_experts"}


class ChainConfig(SharedBottomConfig):
    kind: Literal["chain_test"] = "chain_test"  # type: ignore[assignment]


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
