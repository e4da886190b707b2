"""The factorisation machine's terms against loops over pairs."""

from collections.abc import Callable
from dataclasses import replace
from itertools import combinations

import torch

from models.backbones.deepfm import DeepFm, DeepFmConfig, pairwise
from models.encoders.base import Encoded, EncodedShape
from tests.tolerance import ulps


def test_pairwise_terms_are_a_sum_over_pairs(encoding: Callable[..., Encoded]) -> None:
    fields_BFD = encoding().fields_BFD
    expected = sum(fields_BFD[:, i] * fields_BFD[:, j] for i, j in combinations(range(4), 2))
    torch.testing.assert_close(pairwise(fields_BFD), expected)


def test_their_sum_is_the_machines_second_order_term(encoding: Callable[..., Encoded]) -> None:
    fields_BFD = encoding().fields_BFD
    inner_B = sum((fields_BFD[:, i] * fields_BFD[:, j]).sum(dim=1) for i, j in combinations(range(4), 2))
    torch.testing.assert_close(pairwise(fields_BFD).sum(dim=1), inner_B)


def test_the_order_of_fields_does_not_matter_to_pairs(encoding: Callable[..., Encoded]) -> None:
    fields_BFD = encoding().fields_BFD
    torch.testing.assert_close(pairwise(fields_BFD[:, [2, 0, 3, 1]]), pairwise(fields_BFD))


def test_a_single_field_has_no_pairs(encoding: Callable[..., Encoded]) -> None:
    fields_BFD = encoding().fields_BFD.clone()
    fields_BFD[:, 1:] = 0
    rounding = ulps(8, torch.float64) * fields_BFD.square().max().item()
    torch.testing.assert_close(pairwise(fields_BFD), torch.zeros(5, 3).double(), rtol=0, atol=rounding)


def test_output_by_hand(shape: EncodedShape, encoding: Callable[..., Encoded]) -> None:
    torch.manual_seed(0)
    model, rows = DeepFm(DeepFmConfig(), shape).double(), encoding()
    found = model(rows).flat_BE
    torch.testing.assert_close(found[:, :3], pairwise(rows.fields_BFD))
    for row in range(5):
        for field in range(4):
            expected = sum(rows.fields_BFD[row, field, d] * model.first_FD[field, d] for d in range(3))
            torch.testing.assert_close(found[row, 3 + field], expected)
    assert torch.equal(found[:, 7:], rows.flat_BE)
    assert torch.equal(model(replace(rows, own={"skip": rows})).fields_BFD, rows.fields_BFD)
