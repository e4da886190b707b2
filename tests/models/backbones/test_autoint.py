"""AutoInt against loops, in both variants; its attention; its published size."""

import re
from collections.abc import Callable

import numpy as np
import pytest
import torch

from models.backbones.autoint import AutoInt, AutoIntConfig
from models.encoders.base import Encoded, EncodedShape

HEADS, HEAD_DIM = 2, 5


def build(shape: EncodedShape, **config: object) -> AutoInt:
    torch.manual_seed(0)
    return AutoInt(AutoIntConfig(num_heads=HEADS, head_dim=HEAD_DIM, **config), shape).double().eval()


def layer_by_hand(layer: torch.nn.Module, fields: np.ndarray, code: bool) -> tuple[np.ndarray, np.ndarray]:
    """Return one row's next fields [F, H x C] and attention [H, F, F], field by field."""

    def project(linear: torch.nn.Linear) -> np.ndarray:
        projected = fields @ linear.weight.detach().numpy().T
        return np.maximum(projected, 0) if code else projected

    num_fields = len(fields)
    query, key, value = project(layer.query), project(layer.key), project(layer.value)
    attention, found = np.zeros((HEADS, num_fields, num_fields)), np.zeros((num_fields, HEADS * HEAD_DIM))
    for head in range(HEADS):
        part = slice(head * HEAD_DIM, (head + 1) * HEAD_DIM)
        for m in range(num_fields):
            score = np.array([query[m, part] @ key[k, part] for k in range(num_fields)])
            weight = np.exp(score / np.sqrt(HEAD_DIM) if code else score)
            attention[head, m] = weight / weight.sum()
            found[m, part] = sum(attention[head, m, k] * value[k, part] for k in range(num_fields))
    if layer.residual is not None:
        found = found + project(layer.residual)
    found = np.maximum(found, 0)
    if code:
        found = (found - found.mean(axis=1, keepdims=True)) / np.sqrt(found.var(axis=1, keepdims=True) + 1e-5)
        found = found * layer.norm.weight.detach().numpy() + layer.norm.bias.detach().numpy()
    return found, attention


@pytest.mark.parametrize("residual", [True, False])
@pytest.mark.parametrize("variant", ["code", "paper"])
def test_layers_by_hand(variant: str, residual: bool, shape: EncodedShape, encoding: Callable[..., Encoded]) -> None:
    model, rows = build(shape, num_layers=2, variant=variant, residual=residual), encoding()
    found, attention = model(rows), []
    for row, fields in enumerate(rows.fields_BFD.numpy()):
        first, weights_1 = layer_by_hand(model.layers[0], fields, variant == "code")
        second, weights_2 = layer_by_hand(model.layers[1], first, variant == "code")
        attention.append(np.stack([weights_1, weights_2]))
        np.testing.assert_allclose(found.fields_BFD[row].detach().numpy(), second, rtol=1e-9, atol=1e-12)
    assert torch.equal(found.flat_BE[:, :40], found.fields_BFD.flatten(start_dim=1))
    assert torch.equal(found.flat_BE[:, 40:], rows.flat_BE)
    np.testing.assert_allclose(model.inspect(rows)["attention"].numpy(), np.mean(attention, axis=0), rtol=1e-9)


@pytest.mark.parametrize("variant", ["code", "paper"])
def test_attention_rows_sum_to_one(variant: str, shape: EncodedShape, encoding: Callable[..., Encoded]) -> None:
    seen = build(shape, variant=variant).inspect(encoding())["attention"]
    assert seen.shape == (3, HEADS, 4, 4)
    torch.testing.assert_close(seen.sum(dim=3), torch.ones(3, HEADS, 4).double())


def test_a_layer_without_queries_attends_evenly(shape: EncodedShape, encoding: Callable[..., Encoded]) -> None:
    model = build(shape, num_layers=1, variant="paper", residual=False)
    torch.nn.init.zeros_(model.layers[0].query.weight)
    rows = encoding()
    assert torch.equal(model.inspect(rows)["attention"], torch.full((1, HEADS, 4, 4), 0.25).double())
    mean_BH = torch.relu((rows.fields_BFD @ model.layers[0].value.weight.T).mean(dim=1))
    torch.testing.assert_close(model(rows).fields_BFD, mean_BH.unsqueeze(1).expand(-1, 4, -1))


@pytest.mark.parametrize("variant", ["code", "paper"])
def test_permuted_fields_give_permuted_outputs(
    variant: str, shape: EncodedShape, encoding: Callable[..., Encoded]
) -> None:
    model, rows, order = build(shape, variant=variant), encoding(), [2, 0, 3, 1]
    permuted = model(Encoded(rows.fields_BFD[:, order], rows.flat_BE)).fields_BFD
    torch.testing.assert_close(permuted, model(rows).fields_BFD[:, order])


def test_number_of_parameters_on_criteo() -> None:
    """39 fields: 4,096 + 2 x 16,384, and 39 x 64 + 1 for the output, which is a tower's.

    Source: docs/methods/backbones.md#autoint.
    """
    model = AutoInt(AutoIntConfig(variant="paper"), EncodedShape(39, 16, 39 * 16))
    assert model.shape.num_fields * model.shape.embedding_dim == 39 * 64
    assert sum(p.numel() for p in model.parameters()) == 39_361 - 39 * 64 - 1


def test_the_paper_has_no_dropout() -> None:
    with pytest.raises(ValueError, match=re.escape("dropout 0.2: variant 'paper' has none")):
        AutoIntConfig(variant="paper", dropout=0.2)
