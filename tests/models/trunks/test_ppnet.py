"""PPNet: a plain network per task at the start, the formula later, and who teaches whom."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch

from models.batch import Batch
from models.encoders.base import Encoded, EncodedShape
from models.ranker import Ranker
from models.recipe import Recipe
from models.trunks.ppnet import PpNet, PpNetConfig
from models.trunks.shared_bottom import SharedBottom, SharedBottomConfig

TASKS = ("watch_time", "skip")
SHAPE = EncodedShape(3, 2, 7, ("scene", "video_id", "user_id"))
"""Three fields of width two, one dense feature."""


@pytest.fixture
def encoded() -> Encoded:
    flat_BE = torch.randn(6, 7, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return Encoded(flat_BE[:, :6].unflatten(1, (3, 2)), flat_BE)


def build(tasks: tuple[str, ...] = TASKS, moved: bool = True, **settings: Any) -> PpNet:
    torch.manual_seed(0)
    config = PpNetConfig.model_validate({"hidden": (5, 4), "gate_width": 3, **settings})
    model = PpNet(config, SHAPE, tasks).double().eval()
    if moved:
        for gates in model.gates.values():
            for gate in gates:
                torch.nn.init.normal_(gate.output.weight)
    return model


@pytest.mark.parametrize("gate", ["output", "input"])
def test_it_starts_as_a_shared_bottom_of_one_task(gate: str, encoded: Encoded) -> None:
    torch.manual_seed(0)
    plain = SharedBottom(SharedBottomConfig(hidden=(5, 4)), SHAPE, ("skip",)).double().eval()
    found = build(("skip",), moved=False, gate=gate)(encoded)["skip"]
    torch.testing.assert_close(found, plain(encoded)["skip"], rtol=0, atol=1e-7)


@pytest.mark.parametrize("gate", ["output", "input"])
def test_by_hand(gate: str, encoded: Encoded) -> None:
    model = build(gate=gate)
    found = model(encoded)
    for task in TASKS:
        for row in range(6):
            h = encoded.flat_BE[row]
            read = torch.cat([encoded.fields_BFD[row, 2], encoded.fields_BFD[row, 1], encoded.flat_BE[row]])
            for layer, unit in zip(model.layers[task], model.gates[task], strict=True):
                if gate == "input":
                    h = h * unit(read)
                h = torch.relu(layer.weight @ h + layer.bias)
                if gate == "output":
                    h = h * unit(read)
            torch.testing.assert_close(found[task][row], h)
    assert model.width == 4
    assert not torch.allclose(found["skip"], found["watch_time"])


def test_gates_teach_the_priors_alone(encoded: Encoded) -> None:
    """With the networks' own input held fixed, the loss moves with the embeddings of user and video, and nothing else."""
    model = build()
    fields_BFD, flat_BE = encoded.fields_BFD.clone().requires_grad_(), encoded.flat_BE.clone()
    sum(h.sum() for h in model(Encoded(fields_BFD, flat_BE)).values()).backward()
    assert (fields_BFD.grad[:, 0] == 0).all()
    assert (fields_BFD.grad[:, 1:].abs().sum(dim=(0, 2)) > 0).all()
    fields_BFD, flat_BE = encoded.fields_BFD, encoded.flat_BE.clone().requires_grad_()
    read_BX = model._read(replace(encoded, flat_BE=flat_BE))
    assert not read_BX.requires_grad
    assert torch.equal(read_BX[:, 4:], flat_BE)


def test_priors_may_be_named(encoded: Encoded) -> None:
    assert build().priors.index.tolist() == [2, 1]  # no author here
    assert build(priors=("scene",)).priors.index.tolist() == [0]
    said = r"trunk 'ppnet' \(priors\) names the field 'author'.*name one of scene, video_id, user_id"
    with pytest.raises(ValueError, match=said):
        build(priors=("scene", "author"))
    with pytest.raises(ValueError, match="trunk 'ppnet' reads scene, which set_apart keeps from it"):
        Recipe.model_validate({"trunk": {"kind": "ppnet", "priors": ["scene"]}, "set_apart": ["scene"]})


def test_everything_belongs_to_one_task(encoded: Encoded) -> None:
    model = build()
    assert model.shared_parameters() == []
    model(encoded)["skip"].sum().backward()
    for parts in (model.layers, model.gates):
        assert all(parameter.grad is None for parameter in parts["watch_time"].parameters())
        assert any(parameter.grad is not None for parameter in parts["skip"].parameters())


def test_a_rule_on_gradients_meets_nothing_to_share(ranker: Callable[..., Ranker], batch: Callable[..., Batch]) -> None:
    model = ranker({"trunk": {"kind": "ppnet"}, "balance": {"kind": "pcgrad"}, "tasks": {task: {} for task in TASKS}})
    assert model.shared_parameters() == []
    assert torch.isfinite(model.balance.backward(model.losses(batch(9)), model.shared_parameters()))
    assert all(torch.isfinite(p.grad).all() for p in model.trunk.parameters())


def test_diagnostics_tell_how_far_gates_moved(encoded: Encoded) -> None:
    start, moved = build(moved=False).diagnostics(encoded), build().diagnostics(encoded)
    assert start == {f"gate_{part}/{task}": float(part == "mean") for task in TASKS for part in ("mean", "sd")}
    assert all(moved[f"gate_sd/{task}"] > 0.1 for task in TASKS)
