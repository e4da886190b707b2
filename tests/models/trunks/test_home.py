"""HoME against the formula; who sees and who teaches what; BatchNorm where batches are small."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from models.batch import Batch
from models.encoders.base import Encoded, EncodedShape
from models.ranker import Ranker
from models.serving import export_ranker, history_tensors
from models.trunks.home import Home, HomeConfig, groups_of
from tests.tolerance import ulps

TASKS = ("watch_time", "skip", "like")
RECIPE: dict[str, Any] = {
    "encoder": {"embedding_dim": 3},
    "trunk": {"kind": "home", "hidden": (6, 4), "rank": 2},
    "head": {"kind": "wlr"},
    "tasks": {task: {} for task in TASKS},
}


@pytest.fixture
def encoded() -> Encoded:
    flat_BE = torch.randn(8, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return Encoded(flat_BE.unsqueeze(1), flat_BE)


def build(num_experts: int = 2, tasks: tuple[str, ...] = TASKS) -> Home:
    """Return a trunk in evaluation mode whose running statistics are not those of a fresh BatchNorm."""
    torch.manual_seed(0)
    config = HomeConfig(num_experts=num_experts, hidden=(5, 3), adapters=2, rank=2, dropout=0)
    model = Home(config, EncodedShape(1, 4, 4), tasks).double().eval()
    for norm in (m for m in model.modules() if isinstance(m, nn.BatchNorm1d)):
        nn.init.normal_(norm.running_mean, std=0.1)
        nn.init.uniform_(norm.running_var, 0.5, 2)
    return model


def numbers(tensor: torch.Tensor) -> np.ndarray:
    return tensor.detach().numpy()


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def softmax(x: np.ndarray) -> np.ndarray:
    return np.exp(x) / np.exp(x).sum()


def experts_by_hand(place: nn.Module, x: np.ndarray) -> list[np.ndarray]:
    """Return the outputs of one place's experts for one row."""
    gate = place.feature_gate
    weight = softmax(numbers(gate.gate.weight) @ x)
    down, up = numbers(gate.down.weight).reshape(2, 2, -1), numbers(gate.up.weight).reshape(len(x), 2, 2)
    x = x * sigmoid(sum(weight[adapter] * up[:, adapter] @ down[adapter] @ x for adapter in range(2)))
    outputs = []
    for linear, norm, _ in place.experts:
        z = numbers(linear.weight) @ x
        z = (z - numbers(norm.running_mean)) / np.sqrt(numbers(norm.running_var) + 1e-5)
        z = z * numbers(norm.weight) + numbers(norm.bias)
        outputs.append(z * sigmoid(z))
    return outputs


def mixture_by_hand(gate: nn.Module, x: np.ndarray, own: list[np.ndarray], others: list[np.ndarray]) -> Any:
    seen = own + others
    mixed = sum(w * output for w, output in zip(softmax(numbers(gate.mix.weight) @ x), seen, strict=True))
    if not others:
        return mixed
    logit = numbers(gate.own.weight) @ x
    weight = sigmoid(logit) if len(own) == 1 else softmax(logit)
    return mixed + sum(w * output for w, output in zip(weight, own, strict=True))


@pytest.mark.parametrize("num_experts", [1, 2])
def test_both_levels_by_hand(num_experts: int, encoded: Encoded) -> None:
    model = build(num_experts)
    h = model(encoded)
    assert list(h) == list(TASKS)
    for row, x in enumerate(encoded.flat_BE.numpy()):
        global_meta = experts_by_hand(model.everyone.meta, x)
        global_out = experts_by_hand(model.everyone.experts, mixture_by_hand(model.everyone.gate, x, global_meta, []))
        for group, members in {"watch": ("watch_time", "skip"), "interact": ("like",)}.items():
            branch = model.branches[group]
            meta = mixture_by_hand(branch.gate, x, experts_by_hand(branch.meta, x), global_meta)
            group_out = experts_by_hand(branch.experts, meta)
            for task in members:
                own = experts_by_hand(model.own[task], meta)
                expected = mixture_by_hand(model.gates[task], x, own, group_out + global_out)
                np.testing.assert_allclose(numbers(h[task][row]), expected, rtol=1e-9)


def test_groups() -> None:
    tasks = ("watch_time", "watch_time_wide", "skip", "valid_play", "long_view", "finish", "click", "like", "hate")
    assert groups_of(tasks) == {"watch": tasks[:7], "interact": ("like", "hate")}
    assert groups_of(("like", "watch_time")) == {"watch": ("watch_time",), "interact": ("like",)}
    assert groups_of(("watch_time",)) == {"watch": ("watch_time",)}


def test_a_groups_experts_are_invisible_to_the_other(encoded: Encoded) -> None:
    model = build()
    before = model(encoded)
    for group, unmoved, moved in (("watch", ("like",), ("watch_time", "skip")), ("interact", TASKS[:2], ("like",))):
        changed = build()
        with torch.no_grad():
            for parameter in changed.branches[group].parameters():
                parameter.add_(0.5)
        after = changed(encoded)
        assert all(torch.equal(after[task], before[task]) for task in unmoved)
        assert not any(torch.allclose(after[task], before[task]) for task in moved)


@pytest.mark.parametrize("tasks", [TASKS, ("watch_time", "like"), ("watch_time", "skip", "like", "hate")])
def test_shared_is_what_several_tasks_teach(tasks: tuple[str, ...], encoded: Encoded) -> None:
    model = build(tasks=tasks)
    taught: dict[int, set[str]] = {id(p): set() for p in model.parameters()}
    for task, h_BH in model(encoded).items():
        gradients = torch.autograd.grad(
            h_BH.square().sum(), list(model.parameters()), allow_unused=True, retain_graph=True
        )
        for parameter, gradient in zip(model.parameters(), gradients, strict=True):
            if gradient is not None and gradient.abs().max() > 0:
                taught[id(parameter)].add(task)
    assert all(by for by in taught.values())
    assert {key for key, by in taught.items() if len(by) > 1} == {id(p) for p in model.shared_parameters()}


def test_rows_are_independent_in_evaluation(encoded: Encoded) -> None:
    model = build()
    part = Encoded(encoded.fields_BFD[3:4], encoded.flat_BE[3:4])
    for task, h_BH in model(encoded).items():
        torch.testing.assert_close(
            model(part)[task], h_BH[3:4], rtol=ulps(4096, torch.float64), atol=ulps(4096, torch.float64)
        )


def test_experts_are_normalised_in_training(encoded: Encoded) -> None:
    """Before SiLU every output has mean 0 and variance 1 over the batch, however large its input."""
    model = build().train()
    linear, norm, _ = model.everyone.meta.experts[0]
    normal_BH = norm(linear(1e3 * encoded.flat_BE))
    torch.testing.assert_close(normal_BH.mean(dim=0), torch.zeros(5).double(), rtol=0, atol=1e-9)
    torch.testing.assert_close(normal_BH.var(dim=0, correction=0), torch.ones(5).double(), rtol=0, atol=1e-3)


def test_one_row_is_normalised_as_in_serving(encoded: Encoded) -> None:
    """The last batch of an epoch may hold a single row: it trains, and leaves the statistics alone."""
    model = build()
    one = Encoded(encoded.fields_BFD[:1], encoded.flat_BE[:1])
    expected = model(one)
    before = {name: value.clone() for name, value in model.named_buffers()}
    found = model.train()(one)
    for task in TASKS:
        torch.testing.assert_close(found[task], expected[task])
    sum(h_BH.sum() for h_BH in found.values()).backward()
    assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None)
    assert all(torch.equal(value, before[name]) for name, value in model.named_buffers())
    model(encoded)
    assert not any(torch.equal(value, before[name]) for name, value in model.named_buffers())


def test_closed_and_open_feature_gates(encoded: Encoded) -> None:
    gate = build().everyone.meta.feature_gate
    nn.init.zeros_(gate.up.weight)
    torch.testing.assert_close(gate(encoded.flat_BE), encoded.flat_BE / 2)


def test_even_gates(encoded: Encoded) -> None:
    model = build()
    for module in (*model.gates.values(), *(branch.gate for branch in model.branches.values())):
        nn.init.zeros_(module.mix.weight)
    found = model.diagnostics(encoded)
    assert set(found) == {
        f"{number}/{name}"
        for number in ("gate_entropy", "own_share", "global_share")
        for name in ("meta_watch", "meta_interact", *TASKS)
    }
    assert found["gate_entropy/skip"] == pytest.approx(np.log(6))
    assert found["own_share/skip"] == pytest.approx(1 / 3)
    assert found["global_share/meta_watch"] == pytest.approx(1 / 2)


@pytest.mark.slow
def test_every_task_learns(ranker: Callable[..., Ranker], batch: Callable[..., Batch]) -> None:
    recipe = {**RECIPE, "balance": {"kind": "pcgrad"}, "further_heads": {"plain": {"head": {"kind": "vr_mse"}}}}
    model, rows = ranker(recipe), batch(32)
    optimizer = torch.optim.Adam(model.dense_parameters(), lr=1e-2)
    losses = []
    for _ in range(40):
        optimizer.zero_grad()
        losses.append(model.losses(rows))
        model.balance.backward(losses[-1], model.shared_parameters())
        optimizer.step()
    assert all(losses[-1][task].item() < losses[0][task].item() for task in losses[0])
    assert model.trunk.groups["watch"] == ("watch_time", "watch_time_plain", "skip")


def test_a_ranker_trains_on_one_row(ranker: Callable[..., Ranker], batch: Callable[..., Batch]) -> None:
    model, rows = ranker(RECIPE), replace(batch(1), weight_B=None)
    losses = model.train().losses(rows)
    model.balance.backward(losses, model.shared_parameters())
    assert all(torch.isfinite(loss) for loss in losses.values())


@pytest.mark.slow
def test_export_equals_the_module(ranker: Callable[..., Ranker], batch: Callable[..., Batch]) -> None:
    model = ranker(RECIPE)
    model.losses(batch(16, seed=2))
    program = export_ranker(model, batch(4)).module()
    for rows in (1, 9):
        asked = batch(rows, seed=rows)
        answer = program(asked.ids_BF, asked.dense_BN, asked.duration_B, history_tensors(model, asked))
        torch.testing.assert_close(answer["score"], model.predict(asked).score_B)
