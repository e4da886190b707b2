"""HSTU against a brute-force twin; who sees whom; what a batch may not change."""

import math
from dataclasses import replace

import torch
from torch import Tensor

from models.encoders.history.hstu import HstuHistory, HstuHistoryConfig
from tests.models.encoders.history.histories import COUNTS, DIM, LENGTH, SCHEMA, candidates, make_history, make_table

HEADS, WIDTH = 2, 6


def build(**settings: object) -> HstuHistory:
    torch.manual_seed(0)
    config = HstuHistoryConfig.model_validate({"width": WIDTH, "num_heads": HEADS, "dropout": 0, **settings})
    model = HstuHistory(config, SCHEMA, DIM).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return model


def layer_by_hand(model: HstuHistory, layer: torch.nn.Module, tokens: list[Tensor], codes: list[int]) -> list[Tensor]:
    """Return the next tokens of one row, the candidate last: each asks itself and those before it."""
    parts = [torch.nn.functional.silu(layer.project(layer.norm(x))).split(WIDTH) for x in tokens]
    outputs = []
    for i, x in enumerate(tokens):
        taken = torch.zeros(WIDTH)
        for j in range(i + 1):
            bias = model.place_bias.weight[i - j, 0] + model.time_bias.weight[codes[i] * 17 + codes[j], 0]
            for head in range(HEADS):
                cut = slice(3 * head, 3 * head + 3)
                a = parts[i][2][cut] @ parts[j][3][cut] / math.sqrt(3) + bias
                taken[cut] += a * torch.sigmoid(a) / (LENGTH + 1) * parts[j][1][cut]
        outputs.append(x + layer.output(layer.taken_norm(taken) * parts[i][0]))
    return outputs


def test_by_hand() -> None:
    model, table, history = build(), make_table(), make_history()
    candidate_BD, event_BLD = candidates(), model.events(history, table)
    found = model(history, table, candidate_BD)
    with torch.no_grad():
        for row, count in enumerate(COUNTS[1:], start=1):
            slots = range(LENGTH - count, LENGTH)
            tokens = [model.enter(event_BLD[row, slot]) for slot in slots]
            tokens.append(model.enter(candidate_BD[row]) + model.candidate_H)
            codes = [*(int(history.gap_BL[row, slot]) for slot in slots), 0]
            for layer in model.layers:
                tokens = layer_by_hand(model, layer, tokens, codes)
            torch.testing.assert_close(found[row], model.leave(model.norm(tokens[-1])), rtol=1e-4, atol=1e-5)


def test_events_are_encoded_once_for_all_candidates_of_a_user() -> None:
    """No event sees the candidate: encoding the sequence per row, as in training, gives the same."""
    model, table = build(), make_table()
    history = replace(make_history((4, 6)), sequence_B=torch.tensor([0, 1, 0, 0, 1]))
    encoded: list[int] = []
    hook = model.layers[0].project.register_forward_pre_hook(lambda _, inputs: encoded.append(len(inputs[0])))
    once = model(history, table, candidates(5))
    apart = model(history.spread(), table, candidates(5))
    hook.remove()
    torch.testing.assert_close(apart, once)
    assert encoded == [2, 5, 5, 5], "events of two users, then a candidate per row; events and candidate of every row"


def test_an_event_sees_none_that_is_later() -> None:
    model = build()
    event_BLD = torch.randn(2, LENGTH, DIM, generator=torch.Generator().manual_seed(3))
    mask_BL, gap_BL = torch.ones(2, LENGTH, dtype=torch.bool), torch.ones(2, LENGTH, dtype=torch.int64)
    before = model._asked(event_BLD, gap_BL, mask_BL)
    event_BLD[:, 3] += 1
    after = model._asked(event_BLD, gap_BL + (torch.arange(LENGTH) == 3), mask_BL)
    for first, second in zip((*before.key, *before.value), (*after.key, *after.value), strict=True):
        assert torch.equal(first[:, :3], second[:, :3])
        assert not torch.equal(first[:, 3], second[:, 3])
    assert not torch.equal(before.key[1][:, 4:], after.key[1][:, 4:])


def test_the_clock_counts() -> None:
    model, table, history = build(), make_table(), make_history()
    torch.nn.init.zeros_(model.events.gap.weight)  # what the event vectors say of it
    other = replace(history, gap_BL=torch.where(history.mask_BL, history.gap_BL % 16 + 1, 0))
    found = (model(one, table, candidates()) for one in (history, other))
    gap_BD = torch.sub(*found).abs()
    assert (gap_BD[1:].amax(dim=1) > 1e-5).all()
    torch.nn.init.zeros_(model.time_bias.weight)
    assert torch.equal(model(history, table, candidates()), model(other, table, candidates()))
