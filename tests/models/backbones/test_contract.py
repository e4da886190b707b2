"""What every backbone owes the trunk, over the whole registry."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import nn

from models.backbones import BACKBONES
from models.backbones.base import Backbone
from models.batch import Batch
from models.encoders.base import Encoded, EncodedShape
from models.ranker import Ranker
from models.serving import export_ranker, history_tensors
from tests.tolerance import ulps

CONFIGS: list[dict[str, Any]] = [
    {"kind": "none"},
    {"kind": "dcnv2", "num_layers": 2},
    {"kind": "dcnv2", "num_layers": 2, "rank": 2, "structure": "stacked"},
    {"kind": "dcnv2", "num_layers": 2, "rank": 2, "num_experts": 3},
    {"kind": "gdcn", "num_layers": 2},
    {"kind": "gdcn", "num_layers": 2, "structure": "stacked"},
    {"kind": "deepfm"},
    {"kind": "autoint", "num_layers": 2, "head_dim": 4},
    {"kind": "autoint", "num_layers": 2, "head_dim": 4, "variant": "paper", "residual": False},
    {"kind": "masknet", "num_blocks": 2, "width": 5},
    {"kind": "masknet", "num_blocks": 2, "width": 5, "structure": "serial"},
    {"kind": "finalmlp", "first": [6, 4], "second": [8], "gate": 3, "num_heads": 2},
    {"kind": "epnet", "gate": 6},
    {"kind": "onetrans", "width": 8, "num_heads": 2, "num_tokens": 3, "expansion": 2},
]
NAMES = ["-".join(str(v) for v in config.values()) for config in CONFIGS]
TASKS: dict[str, Any] = {"watch_time": {}, "skip": {}, "like": {}}


def build(config: dict[str, Any], shape: EncodedShape, seed: int = 0) -> Backbone:
    torch.manual_seed(seed)
    kind = BACKBONES[config["kind"]]
    return kind(kind.Config.model_validate(config), shape).double()


def test_every_backbone_is_tried() -> None:
    assert {config["kind"] for config in CONFIGS} == set(BACKBONES)


@pytest.mark.parametrize("config", CONFIGS, ids=NAMES)
class TestEveryBackbone:
    def test_sizes_are_as_stated(
        self, config: dict[str, Any], shape: EncodedShape, encoding: Callable[..., Encoded]
    ) -> None:
        backbone = build(config, shape)
        found, stated = backbone(encoding(6)), backbone.shape
        assert found.flat_BE.shape == (6, stated.width)
        assert found.fields_BFD.shape == (6, stated.num_fields, stated.embedding_dim)
        assert stated.num_fields == shape.num_fields

    def test_every_parameter_learns(
        self, config: dict[str, Any], shape: EncodedShape, encoding: Callable[..., Encoded]
    ) -> None:
        backbone = build(config, shape).eval()
        with torch.no_grad():  # what starts at 0 hides the layer before it until it has moved
            for parameter in backbone.parameters():
                parameter.add_(0.1 * torch.randn_like(parameter))
        rows = encoding(64)
        rows.flat_BE.requires_grad_()
        flat_BE = backbone(rows).flat_BE
        (flat_BE * torch.randn(flat_BE.shape[1], generator=torch.Generator().manual_seed(1)).double()).sum().backward()
        assert all((p.grad is not None and p.grad.abs().max() > 0) for p in backbone.parameters())

    def test_equal_seeds_give_equal_numbers(
        self, config: dict[str, Any], shape: EncodedShape, encoding: Callable[..., Encoded]
    ) -> None:
        first, second = (build(config, shape).eval()(encoding()).flat_BE for _ in range(2))
        assert torch.equal(first, second)

    def test_rows_do_not_see_each_other(
        self, config: dict[str, Any], shape: EncodedShape, encoding: Callable[..., Encoded]
    ) -> None:
        backbone, rows = build(config, shape).eval(), encoding(7)
        part = Encoded(rows.fields_BFD[2:4], rows.flat_BE[2:4], {}, rows.events_BLD[2:4], rows.mask_BL[2:4])
        torch.testing.assert_close(
            backbone(part).flat_BE,
            backbone(rows).flat_BE[2:4],
            rtol=ulps(4096, torch.float64),
            atol=ulps(4096, torch.float64),
        )

    def test_dense_features_and_fields_reach_the_trunk(
        self, config: dict[str, Any], shape: EncodedShape, encoding: Callable[..., Encoded]
    ) -> None:
        rows = encoding()
        flat_BE = rows.flat_BE.clone().requires_grad_()
        fields_BFD = flat_BE[:, :12].unflatten(1, (4, 3))
        rows = replace(rows, fields_BFD=fields_BFD, flat_BE=flat_BE)
        build(config, shape).eval()(rows).flat_BE.square().sum().backward()
        assert (flat_BE.grad.abs().amax(dim=0) > 0).all()

    def test_own_encodings_pass(
        self, config: dict[str, Any], shape: EncodedShape, encoding: Callable[..., Encoded]
    ) -> None:
        rows = encoding()
        own = {"skip": rows}
        assert build(config, shape)(replace(rows, own=own)).own is own

    def test_a_ranker_learns_on_it(
        self, config: dict[str, Any], ranker: Callable[..., Ranker], batch: Callable[..., Batch]
    ) -> None:
        """Thirty steps on one batch: every task's loss falls."""
        model, rows = ranker(recipe_of(config)), batch(32)
        optimizer = torch.optim.Adam(model.dense_parameters(), lr=1e-2)
        before = {task: loss.item() for task, loss in model.eval().losses(rows).items()}
        model.train()
        for _ in range(30):
            optimizer.zero_grad()
            model.balance.backward(model.losses(rows), model.shared_parameters())
            optimizer.step()
        after = model.eval().losses(rows)
        assert all(after[task].item() < value for task, value in before.items())

    def test_half_precision_stays_finite(
        self, config: dict[str, Any], ranker: Callable[..., Ranker], batch: Callable[..., Batch]
    ) -> None:
        model = ranker(recipe_of(config))
        with torch.autocast("cpu", dtype=torch.bfloat16):
            losses = model.losses(batch(9))
        model.balance.backward(losses, model.shared_parameters())
        assert all(torch.isfinite(p.grad).all() for p in model.backbone.parameters())


def recipe_of(config: dict[str, Any]) -> dict[str, Any]:
    return {
        "encoder": {"embedding_dim": 3},
        "backbone": config,
        "trunk": {"kind": "shared_bottom", "hidden": (6,), "dropout": 0},
        "head": {"kind": "wlr"},
        "tasks": TASKS,
    }


EXPORTED = [next(config for config in CONFIGS if config["kind"] == kind) for kind in BACKBONES]


@pytest.mark.slow
@pytest.mark.parametrize("config", EXPORTED, ids=list(BACKBONES))
def test_export_equals_the_module(
    config: dict[str, Any], ranker: Callable[..., Ranker], batch: Callable[..., Batch]
) -> None:
    model = ranker(recipe_of(config))
    program = export_ranker(model, batch(4)).module()
    for rows in (1, 9):
        asked = batch(rows, seed=rows)
        answer = program(asked.ids_BF, asked.dense_BN, asked.duration_B, history_tensors(model, asked))
        expected = model.predict(asked)
        torch.testing.assert_close(answer["score"], expected.score_B)
        torch.testing.assert_close(answer["probability/skip"], expected.probability["skip"])


PLANTED = [config for config in CONFIGS if config.get("rank") is None]


@pytest.mark.slow
@pytest.mark.parametrize("config", PLANTED, ids=["-".join(str(v) for v in config.values()) for config in PLANTED])
def test_a_product_of_two_fields_is_linear_behind_every_backbone_but_none(
    config: dict[str, Any], shape: EncodedShape, encoding: Callable[..., Encoded]
) -> None:
    """The label is whether two fields of two levels agree: no sum over fields says more about it than chance."""
    g = torch.Generator().manual_seed(3)
    level_BF = torch.randint(2, (256, 4), generator=g)
    dense_BN = torch.randn(256, 2, generator=g).double()
    label_B = (level_BF[:, 0] == level_BF[:, 1]).double()
    backbone = build(config, shape)
    past = encoding(256)
    table_F2D = nn.Parameter(torch.randn(4, 2, 3, generator=g).double())
    output = nn.Linear(backbone.shape.width, 1).double()
    optimizer = torch.optim.Adam([table_F2D, *backbone.parameters(), *output.parameters()], lr=0.03)
    for _ in range(100):
        fields_BFD = table_F2D[torch.arange(4), level_BF]
        flat_BE = torch.cat([fields_BFD.flatten(start_dim=1), dense_BN], dim=1)
        rows = replace(past, fields_BFD=fields_BFD, flat_BE=flat_BE)
        logit_B = output(backbone(rows).flat_BE)[:, 0]
        optimizer.zero_grad()
        nn.functional.binary_cross_entropy_with_logits(logit_B, label_B).backward()
        optimizer.step()
    hit = float(((logit_B > 0) == (label_B > 0.5)).double().mean())
    assert hit < 0.65 if config["kind"] == "none" else hit > 0.9
