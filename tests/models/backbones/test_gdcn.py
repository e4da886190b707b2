"""GDCN against loops, and what its gates do."""

import math
from collections.abc import Callable

import numpy as np
import torch

from models.backbones.dcnv2 import DcnV2, DcnV2Config
from models.backbones.gdcn import Gdcn, GdcnConfig
from models.encoders.base import Encoded, EncodedShape
from tests.tolerance import ulps


def build(shape: EncodedShape, **config: object) -> Gdcn:
    torch.manual_seed(0)
    return Gdcn(GdcnConfig(**config), shape).double()


def test_gated_crosses_by_hand(shape: EncodedShape, encoding: Callable[..., Encoded]) -> None:
    model, rows = build(shape, num_layers=2), encoding()
    found = model(rows).flat_BE.detach().numpy()
    for row, first in enumerate(rows.flat_BE.numpy()):
        x = first.copy()
        for cross, gate in zip(model.crosses, model.gates, strict=True):
            weight, bias, opens = (p.detach().numpy() for p in (cross.weight, cross.bias, gate.weight))
            x = np.array(
                [
                    first[i] * (weight[i] @ x + bias[i]) / (1 + math.exp(-sum(opens[i, j] * x[j] for j in range(14))))
                    + x[i]
                    for i in range(14)
                ]
            )
        np.testing.assert_allclose(found[row, :14], x, rtol=1e-12)
        np.testing.assert_array_equal(found[row, 14:], first)


def test_half_open_gates_are_a_cross_of_half_the_weights(shape: EncodedShape, encoding: Callable[..., Encoded]) -> None:
    model, plain, rows = build(shape), DcnV2(DcnV2Config(), shape).double(), encoding()
    with torch.no_grad():
        for gate in model.gates:
            gate.weight.zero_()
        for cross, layer in zip(model.crosses, plain.layers, strict=True):
            layer.weight.copy_(cross.weight / 2)
            layer.bias.copy_(cross.bias / 2)
    torch.testing.assert_close(model(rows).flat_BE, plain(rows).flat_BE)


def test_closed_gates_let_no_interaction_through(shape: EncodedShape, encoding: Callable[..., Encoded]) -> None:
    model, rows = build(shape, structure="stacked"), encoding()
    positive = Encoded(rows.fields_BFD.abs(), rows.flat_BE.abs())
    with torch.no_grad():
        for gate in model.gates:
            gate.weight.fill_(-1e3)
    torch.testing.assert_close(
        model(positive).flat_BE, positive.flat_BE, rtol=ulps(4096, torch.float64), atol=ulps(4096, torch.float64)
    )


def test_gates_can_be_looked_at(shape: EncodedShape, encoding: Callable[..., Encoded]) -> None:
    model, rows = build(shape, num_layers=2), encoding()
    seen = model.inspect(rows)["gate"]
    assert seen.shape == (2, 14)
    torch.testing.assert_close(seen[0], torch.sigmoid(rows.flat_BE @ model.gates[0].weight.T).mean(dim=0).detach())
    assert not seen.requires_grad
