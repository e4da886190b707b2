"""STEM against the formula, and who teaches what."""

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from models.batch import Batch
from models.encoders.base import Encoded, EncodedShape
from models.ranker import Ranker
from models.serving import export_ranker, history_tensors
from models.trunks.stem import Stem, StemConfig

TASKS = ("watch_time", "skip", "like")
RECIPE: dict[str, Any] = {
    "encoder": {"embedding_dim": 3, "history": {"kind": "pooled"}, "dense_width": 2},
    "trunk": {"kind": "stem", "hidden": (6, 4), "own_experts": 2},
    "head": {"kind": "wlr"},
    "tasks": {task: {} for task in TASKS},
}


def flat(seed: int, width: int = 4) -> Encoded:
    flat_BE = torch.randn(6, width, generator=torch.Generator().manual_seed(seed))
    return Encoded(flat_BE.unsqueeze(1), flat_BE)


@pytest.fixture
def encoded() -> Encoded:
    shared = flat(0)
    return Encoded(shared.fields_BFD, shared.flat_BE, {task: flat(i + 1) for i, task in enumerate(TASKS)})


@pytest.fixture
def trunk() -> Stem:
    torch.manual_seed(0)
    return Stem(StemConfig(own_experts=2, shared_experts=1, hidden=(5,)), EncodedShape(1, 4, 4), TASKS).eval()


def relu_by_hand(expert: torch.nn.Module, x: Tensor) -> np.ndarray:
    return np.maximum(x.numpy() @ expert[0].weight.detach().numpy().T + expert[0].bias.detach().numpy(), 0)


def test_mixture_by_hand(trunk: Stem, encoded: Encoded) -> None:
    h = trunk(encoded)
    outputs = [relu_by_hand(expert, encoded.own[task].flat_BE) for task in TASKS for expert in trunk.own[task]]
    outputs += [relu_by_hand(expert, encoded.flat_BE) for expert in trunk.shared]
    for task in TASKS:
        gated = (encoded.own[task].flat_BE + encoded.flat_BE).numpy()
        logit = gated @ trunk.gates[task].weight.detach().numpy().T
        weight = np.exp(logit) / np.exp(logit).sum(axis=1, keepdims=True)
        expected = sum(weight[:, [k]] * outputs[k] for k in range(7))
        np.testing.assert_allclose(h[task].detach().numpy(), expected, rtol=1e-4, atol=1e-6)


def test_other_tasks_experts_are_seen(trunk: Stem, encoded: Encoded) -> None:
    before = trunk(encoded)["skip"]
    torch.nn.init.ones_(trunk.own["like"][1][0].bias)
    assert not torch.allclose(trunk(encoded)["skip"], before)


def test_a_loss_teaches_its_own_experts_and_the_shared_ones_only(trunk: Stem, encoded: Encoded) -> None:
    trunk(encoded)["skip"].square().sum().backward()
    taught = {id(p) for p in trunk.parameters() if p.grad is not None}
    own = [*trunk.own["skip"].parameters(), *trunk.gates["skip"].parameters()]
    assert taught == {id(p) for p in [*own, *trunk.shared_parameters()]}


def test_a_loss_moves_no_table_of_another_task(ranker: Callable[..., Ranker], batch: Callable[..., Batch]) -> None:
    """Tables, history encoders and projections: exactly no gradient, while the shared ones get some."""
    model = ranker(RECIPE)
    losses = model.losses(batch(9))
    for task, loss in losses.items():
        model.zero_grad(set_to_none=True)
        loss.backward(retain_graph=True)
        reached = {of: [p.grad for p in encoder.parameters()] for of, encoder in model.task_encoders.items()}
        assert all(gradient is None for of in TASKS if of != task for gradient in reached[of])
        assert all(gradient is not None for gradient in reached[task])
        assert model.task_encoders[task].table.weight.grad.coalesce().values().abs().max() > 0
        assert model.encoder.table.weight.grad.coalesce().values().abs().max() > 0


def test_every_task_has_a_table_of_its_own(ranker: Callable[..., Ranker]) -> None:
    model = ranker(RECIPE)
    tables = model.embedding_parameters()
    assert len(tables) == len(TASKS) + 1
    assert not torch.equal(tables[0], tables[1])
    own = {id(p) for p in model.task_encoders.parameters()}
    assert not own & {id(p) for p in model.shared_parameters()}


@pytest.mark.parametrize("structure", ["parallel", "stacked"])
def test_a_backbone_must_keep_the_width(
    structure: str, ranker: Callable[..., Ranker], batch: Callable[..., Batch]
) -> None:
    model, rows = ranker({**RECIPE, "backbone": {"kind": "gdcn", "structure": structure}}), batch(5)
    if structure == "stacked":
        assert set(model.losses(rows)) == set(TASKS)
        return
    with pytest.raises(ValueError, match=re.escape("'watch_time' is 14 wide and the shared one 28")):
        model.losses(rows)


def test_further_heads_have_tables_and_every_task_learns(
    ranker: Callable[..., Ranker], batch: Callable[..., Batch]
) -> None:
    model, rows = ranker({**RECIPE, "further_heads": {"plain": {"head": {"kind": "vr_mse"}}}}), batch(32)
    assert len(model.embedding_parameters()) == 5
    optimizer = torch.optim.Adam(model.dense_parameters(), lr=1e-2)
    before = {task: loss.item() for task, loss in model.eval().losses(rows).items()}
    for _ in range(30):
        optimizer.zero_grad()
        model.balance.backward(model.losses(rows), model.shared_parameters())
        optimizer.step()
    assert all(loss.item() < before[task] for task, loss in model.losses(rows).items())


def test_diagnostics(trunk: Stem, encoded: Encoded) -> None:
    for gate in trunk.gates.values():
        torch.nn.init.zeros_(gate.weight)
    numbers = trunk.diagnostics(encoded)
    assert numbers["gate_entropy/skip"] == pytest.approx(np.log(7))
    assert numbers["own_share/like"] == pytest.approx(2 / 7)
    assert numbers["shared_share/watch_time"] == pytest.approx(1 / 7)


def test_own_share_is_that_of_the_tasks_own_experts(trunk: Stem, encoded: Encoded) -> None:
    weight = trunk.weights(encoded)["skip"].mean(dim=0)
    assert trunk.diagnostics(encoded)["own_share/skip"] == pytest.approx(float(weight[2:4].sum().detach()))


@pytest.mark.slow
def test_export_equals_the_module(ranker: Callable[..., Ranker], batch: Callable[..., Batch]) -> None:
    model = ranker(RECIPE)
    program = export_ranker(model, batch(4)).module()
    for rows in (1, 9):
        asked = batch(rows, seed=rows)
        answer = program(asked.ids_BF, asked.dense_BN, asked.duration_B, history_tensors(model, asked))
        torch.testing.assert_close(answer["score"], model.predict(asked).score_B)
