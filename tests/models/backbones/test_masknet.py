"""MaskNet against loops, in both arrangements."""

from collections.abc import Callable

import numpy as np
import pytest
import torch

from models.backbones.masknet import MaskNet, MaskNetConfig
from models.encoders.base import Encoded, EncodedShape


def build(shape: EncodedShape, **config: object) -> MaskNet:
    torch.manual_seed(0)
    model = MaskNet(MaskNetConfig(num_blocks=3, width=5, **config), shape).double()
    for parameter in (model.gain_FD, model.bias_FD):
        torch.nn.init.normal_(parameter)
    return model


def normal(x: np.ndarray) -> np.ndarray:
    return (x - x.mean()) / np.sqrt(x.var() + 1e-5)


def numbers(tensor: torch.Tensor) -> np.ndarray:
    return tensor.detach().numpy()


def block_by_hand(block: torch.nn.Module, guide: np.ndarray, masked: np.ndarray) -> np.ndarray:
    first, _, second = block.mask
    hidden = np.maximum(numbers(first.weight) @ guide + numbers(first.bias), 0)
    mask = numbers(second.weight) @ hidden + numbers(second.bias)
    out = normal(numbers(block.linear.weight) @ (mask * masked))
    return np.maximum(out * numbers(block.norm.weight) + numbers(block.norm.bias), 0)


@pytest.mark.parametrize("structure", ["parallel", "serial"])
def test_blocks_by_hand(structure: str, shape: EncodedShape, encoding: Callable[..., Encoded]) -> None:
    model, rows = build(shape, structure=structure), encoding()
    found = numbers(model(rows).flat_BE)
    for row in range(5):
        guide, fields = rows.flat_BE[row].numpy(), rows.fields_BFD[row].numpy()
        gain, bias = numbers(model.gain_FD), numbers(model.bias_FD)
        masked = np.concatenate([normal(fields[f]) * gain[f] + bias[f] for f in range(4)])
        outputs: list[np.ndarray] = []
        for block in model.blocks:
            outputs.append(
                block_by_hand(block, guide, masked if structure == "parallel" or not outputs else outputs[-1])
            )
        expected = np.concatenate(outputs) if structure == "parallel" else outputs[-1]
        np.testing.assert_allclose(found[row, : len(expected)], expected, rtol=1e-9, atol=1e-12)
        np.testing.assert_array_equal(found[row, len(expected) :], guide)


def test_the_hidden_layer_of_a_mask_is_a_multiple_of_what_it_masks(shape: EncodedShape) -> None:
    parallel, serial = build(shape, aggregation=1.5), build(shape, aggregation=3.0, structure="serial")
    assert [block.mask[0].out_features for block in parallel.blocks] == [18, 18, 18]
    assert [block.mask[0].out_features for block in serial.blocks] == [36, 15, 15]


def test_a_mask_of_ones_is_no_mask(shape: EncodedShape, encoding: Callable[..., Encoded]) -> None:
    model, rows = build(shape), encoding()
    for block in model.blocks:
        torch.nn.init.zeros_(block.mask[2].weight)
        torch.nn.init.ones_(block.mask[2].bias)
    other = Encoded(rows.fields_BFD, encoding(seed=1).flat_BE)
    torch.testing.assert_close(model(rows).flat_BE[:, :15], model(other).flat_BE[:, :15])
    masked_BE = (torch.nn.functional.layer_norm(rows.fields_BFD, (3,)) * model.gain_FD + model.bias_FD).flatten(1)
    block = model.blocks[1]
    expected = torch.relu(block.norm(masked_BE @ block.linear.weight.T))
    torch.testing.assert_close(model(rows).flat_BE[:, 5:10], expected)


def test_a_fields_scale_does_not_matter_to_what_is_masked(
    shape: EncodedShape, encoding: Callable[..., Encoded]
) -> None:
    model, rows = build(shape), encoding()
    scaled = Encoded(1e3 * rows.fields_BFD, rows.flat_BE)
    torch.testing.assert_close(model(scaled).flat_BE, model(rows).flat_BE, rtol=0, atol=1e-2)
