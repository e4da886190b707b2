"""DCN-v2 against loops, and the degree of its polynomial."""

import re
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch

from models.backbones.dcnv2 import DcnV2, DcnV2Config
from models.encoders.base import Encoded, EncodedShape


def build(shape: EncodedShape, **config: object) -> DcnV2:
    torch.manual_seed(0)
    return DcnV2(DcnV2Config(**config), shape).double()


def test_full_crosses_by_hand(shape: EncodedShape, encoding: Callable[..., Encoded]) -> None:
    model, rows = build(shape, num_layers=3), encoding()
    found = model(rows).flat_BE.detach().numpy()
    for row, first in enumerate(rows.flat_BE.numpy()):
        x = first.copy()
        for layer in model.layers:
            weight, bias = layer.weight.detach().numpy(), layer.bias.detach().numpy()
            x = np.array([first[i] * (sum(weight[i, j] * x[j] for j in range(14)) + bias[i]) + x[i] for i in range(14)])
        np.testing.assert_allclose(found[row, :14], x, rtol=1e-12, atol=1e-12)
        np.testing.assert_array_equal(found[row, 14:], first)


def test_a_low_rank_cross_is_the_full_one_of_its_product(shape: EncodedShape, encoding: Callable[..., Encoded]) -> None:
    low, full, rows = build(shape, num_layers=1, rank=2), build(shape, num_layers=1), encoding()
    down, up = low.layers[0]
    with torch.no_grad():
        full.layers[0].weight.copy_(up.weight @ down.weight)
        full.layers[0].bias.copy_(up.bias)
    torch.testing.assert_close(low(rows).flat_BE, full(rows).flat_BE)


def test_the_mixture_by_hand(shape: EncodedShape, encoding: Callable[..., Encoded]) -> None:
    model, rows = build(shape, num_layers=1, rank=2, num_experts=3, structure="stacked"), encoding()
    layer = model.layers[0]
    torch.nn.init.normal_(layer.bias)
    x = rows.flat_BE.numpy()
    logit = x @ layer.gate.weight.detach().numpy().T
    weight = np.exp(logit) / np.exp(logit).sum(axis=1, keepdims=True)
    crossed = np.zeros_like(x)
    for k in range(3):
        down, core, up = (part[k].weight.detach().numpy() for part in (layer.down, layer.core, layer.up))
        crossed += weight[:, [k]] * (np.tanh(np.tanh(x @ down.T) @ core.T) @ up.T)
    expected = x * (crossed + layer.bias.detach().numpy()) + x
    np.testing.assert_allclose(model(rows).flat_BE.detach().numpy(), expected, rtol=1e-12)


def test_layers_of_zeros_change_nothing(shape: EncodedShape, encoding: Callable[..., Encoded]) -> None:
    model, rows = build(shape, structure="stacked"), encoding()
    for parameter in model.parameters():
        torch.nn.init.zeros_(parameter)
    assert torch.equal(model(rows).flat_BE, rows.flat_BE)


@pytest.mark.parametrize("num_layers", [1, 2, 3])
def test_the_degree_is_one_more_than_the_layers(
    num_layers: int, shape: EncodedShape, encoding: Callable[..., Encoded]
) -> None:
    """Along a ray t x the cross is a polynomial of t: differences of that order are constant and not zero."""
    model, rows = build(shape, num_layers=num_layers, structure="stacked"), encoding(1)
    t = torch.arange(num_layers + 3, dtype=torch.float64).unsqueeze(1)
    ray = replace(rows, flat_BE=t * rows.flat_BE)
    differences = np.diff(model(ray).flat_BE.detach().numpy(), n=num_layers + 1, axis=0)
    assert np.abs(differences).max() > 1e-3
    np.testing.assert_allclose(np.diff(differences, axis=0), 0, atol=1e-9)


def test_a_mixture_needs_a_rank() -> None:
    with pytest.raises(ValueError, match=re.escape("num_experts 4 needs a rank")):
        DcnV2Config(num_experts=4)
