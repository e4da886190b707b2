"""OneTrans against a brute-force twin; who sees whom; how many events ask; events come from the encoder."""

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from models.backbones.onetrans import OneTrans, OneTransConfig
from models.batch import Batch
from models.encoders.base import Encoded, EncodedShape
from models.ranker import Ranker
from models.recipe import Recipe
from models.schema import InputSchema
from tests.tolerance import ulps

HEADS, WIDTH, TOKENS = 2, 8, 3
CODES = ("feedback_BL", "ratio_BL", "gap_BL", "mask_BL")
RECIPE: dict[str, Any] = {
    "encoder": {"embedding_dim": 3, "history": {"kind": "none"}},
    "backbone": {"kind": "onetrans", "width": WIDTH, "num_heads": HEADS, "num_tokens": TOKENS},
    "head": {"kind": "wlr"},
}


def build(shape: EncodedShape, num_layers: int = 3) -> OneTrans:
    torch.manual_seed(0)
    config = OneTransConfig(width=WIDTH, num_heads=HEADS, num_layers=num_layers, num_tokens=TOKENS, expansion=2)
    return OneTrans(config, shape).double().eval()


def rms(gain_W: Tensor, x_W: Tensor) -> Tensor:
    return gain_W * x_W / torch.sqrt(x_W.square().mean() + torch.finfo(x_W.dtype).eps)


def own(module: torch.nn.Module, token: int, x_W: Tensor) -> Tensor:
    return x_W @ module.weight[token] + module.bias[token]


def layer_by_hand(layer: torch.nn.Module, events: list[Tensor], row: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
    """Return the next events and tokens of one row, without padding."""
    tokens = [rms(layer.norm.weight, x) for x in (*events, *row)]
    number = len(events)

    def of_row(module: torch.nn.Module, place: int, x: Tensor) -> Tensor:
        return own(module, place - number, x)

    key_value = [
        layer.event_key_value(x) if place < number else of_row(layer.row_key_value, place, x)
        for place, x in enumerate(tokens)
    ]
    asking = [*range(max(0, number - layer.num_asking), number), *range(number, len(tokens))]
    outputs = []
    for place in asking:
        is_event = place < number
        query = layer.event_query(tokens[place]) if is_event else of_row(layer.row_query, place, tokens[place])
        taken = []
        for head in range(HEADS):
            cut = slice(4 * head, 4 * head + 4)
            logit = [math.exp(float(query[cut] @ kv[:WIDTH][cut]) / 2) for kv in key_value[: place + 1]]
            values = [kv[WIDTH:][cut] for kv in key_value[: place + 1]]
            taken.append(sum(w / sum(logit) * v for w, v in zip(logit, values, strict=True)))
        attended = torch.cat(taken)
        before = (*events, *row)[place]
        z = before + (layer.event_output(attended) if is_event else of_row(layer.row_output, place, attended))
        normal = rms(layer.network_norm.weight, z)
        if is_event:
            outputs.append(z + layer.event_network(normal))
        else:
            first, last = layer.row_network[0], layer.row_network[2]
            hidden = torch.nn.functional.gelu(of_row(first, place, normal))
            outputs.append(z + of_row(last, place, hidden))
    return outputs[: -len(row)], outputs[-len(row) :]


def test_by_hand(shape: EncodedShape, encoding: Callable[..., Encoded]) -> None:
    model, rows = build(shape), encoding(8)
    assert len(set(rows.mask_BL.sum(dim=1).tolist())) > 3
    found = model(rows).flat_BE
    with torch.no_grad():
        for number in range(8):
            events = [model.enter(x) for x in rows.events_BLD[number][rows.mask_BL[number]]]
            row = list(torch.nn.functional.gelu(model.cut(rows.flat_BE[number])).split(WIDTH))
            for layer in model.layers:
                events, row = layer_by_hand(layer, events, row)
            torch.testing.assert_close(found[number], torch.stack(row).mean(dim=0))


@pytest.mark.parametrize(("layers", "asking"), [(1, [0]), (2, [3, 0]), (3, [4, 2, 0])])
def test_fewer_of_the_oldest_ask_layer_by_layer(layers: int, asking: list[int], shape: EncodedShape) -> None:
    assert [layer.num_asking for layer in build(shape, layers).layers] == asking


def test_no_token_sees_a_later_one(shape: EncodedShape) -> None:
    layer = build(shape).layers[0]
    g = torch.Generator().manual_seed(1)
    events, row = (torch.randn(2, number, WIDTH, generator=g).double() for number in (5, TOKENS))
    mask_BL = torch.ones(2, 5, dtype=torch.bool)
    before, _, row_before = layer(events, mask_BL, row)
    later, changed = events.clone(), row.clone()
    later[:, 3] += 1
    changed[:, 1] += 1
    after, _, row_after = layer(later, mask_BL, changed)
    assert torch.equal(before[:, :2], after[:, :2])  # events 1 and 2: the first does not ask
    assert not torch.equal(before[:, 3], after[:, 3])
    _, _, of_changed = layer(events, mask_BL, changed)
    assert torch.equal(layer(events, mask_BL, changed)[0], before)  # no event sees the row
    assert torch.equal(of_changed[:, 0], row_before[:, 0])
    assert not torch.equal(of_changed[:, 2], row_before[:, 2])
    assert not torch.equal(row_after[:, 0], row_before[:, 0])


def test_padding_changes_nothing(shape: EncodedShape, encoding: Callable[..., Encoded]) -> None:
    model, rows = build(shape), encoding(8)
    found = model(rows).flat_BE
    noise_BLD = 9 * torch.randn_like(rows.events_BLD) * ~rows.mask_BL.unsqueeze(2)
    torch.testing.assert_close(model(replace(rows, events_BLD=rows.events_BLD + noise_BLD)).flat_BE, found)
    short = rows.mask_BL.sum(dim=1) <= 3
    cut = Encoded(
        rows.fields_BFD[short], rows.flat_BE[short], {}, rows.events_BLD[short, -3:], rows.mask_BL[short, -3:]
    )
    assert short.any()
    torch.testing.assert_close(model(cut).flat_BE, found[short])


def test_batch_mates_do_not_matter(ranker: Callable[..., Ranker], batch: Callable[..., Batch]) -> None:
    model, rows = ranker(RECIPE).eval(), batch(9)
    whole, history = model.predict(rows).score_B, rows.history
    for row in range(9):
        one = slice(row, row + 1)
        fields = {name: value[one] for name, value in history.fields.items()}
        of_row = replace(history, fields=fields, **{name: getattr(history, name)[one] for name in CODES})
        alone = Batch(rows.ids_BF[one], rows.dense_BN[one], rows.duration_B[one], of_row)
        torch.testing.assert_close(model.predict(alone).score_B[0], whole[row], rtol=ulps(64), atol=ulps(64))


def test_events_count_and_gaps_do_not(ranker: Callable[..., Ranker], batch: Callable[..., Batch]) -> None:
    model, rows = ranker(RECIPE).eval(), batch(9)
    found = model.predict(rows).score_B
    history = rows.history
    gone = replace(rows, history=replace(history, mask_BL=torch.zeros_like(history.mask_BL)))
    differs_B = (model.predict(gone).score_B - found).abs() > 1e-6
    assert torch.equal(differs_B, history.mask_BL.any(dim=1))
    order_BL = history.mask_BL.long().argsort(dim=1, stable=True)
    moved = {name: value.gather(1, order_BL) for name, value in history.fields.items()}
    codes = {name: getattr(history, name).gather(1, order_BL) for name in CODES}
    assert not torch.equal(order_BL, torch.arange(4).expand_as(order_BL))
    dense = replace(rows, history=replace(history, fields=moved, **codes))
    torch.testing.assert_close(model.predict(dense).score_B, found)


def test_without_a_history_in_the_table_it_is_refused(schema: InputSchema) -> None:
    bare = InputSchema(fields=schema.fields, num_dense=schema.num_dense)
    with pytest.raises(ValueError, match="reads a history, but the input schema has no history_fields"):
        Ranker(Recipe.model_validate(RECIPE), bare, {})
