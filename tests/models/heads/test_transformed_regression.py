"""Transformed regression: the label, the loss and the back-transform by hand; what the optimum decodes to."""

from typing import Any

import numpy as np
import pytest
import torch

from models.heads import HEADS
from models.heads.base import TrainLabels
from models.heads.transformed_regression import TransformedRegression
from tests.tolerance import ulps

FORWARD = {"tr_log": np.log1p, "tr_sqrt": np.sqrt}
BACK = {"tr_log": np.expm1, "tr_sqrt": np.square}


def head_on(kind: str, labels: TrainLabels) -> TransformedRegression:
    config = HEADS[kind].Config()
    head = HEADS[kind](config, HEADS[kind].fit_state(config, labels))
    assert isinstance(head, TransformedRegression)
    return head


@pytest.mark.parametrize("kind", FORWARD)
def test_label_and_loss_by_hand(kind: str) -> None:
    watch = np.array([0.0, 1.0, 3.0, 8.0, 80.0])
    head = head_on(kind, TrainLabels(watch, np.full(5, 100.0)))
    transformed = FORWARD[kind](watch)
    expected = (transformed - transformed.mean()) / transformed.std()
    watch_B, duration_B = torch.from_numpy(watch).float(), torch.full((5,), 100.0)
    np.testing.assert_allclose(head.latent_label(watch_B, duration_B), expected, rtol=ulps(8), atol=ulps(8))
    np.testing.assert_allclose(
        head.loss(torch.full((5, 1), 0.5), watch_B, duration_B), (0.5 - expected) ** 2, rtol=ulps(32), atol=ulps(32)
    )


@pytest.mark.parametrize("kind", FORWARD)
def test_decode_undoes_the_label_and_is_clipped_to_the_duration(kind: str, cells: Any) -> None:
    head = head_on(kind, cells.labels)
    watch_B, duration_B = torch.tensor([0.0, 0.5, 7.0, 60.0]), torch.tensor([10.0, 10.0, 30.0, 30.0])
    out_BO = head.latent_label(watch_B, duration_B).unsqueeze(1)
    np.testing.assert_allclose(head.decode_median(out_BO, duration_B), [0, 0.5, 7, 30], atol=1e-4)
    below_BO = out_BO[:1] - torch.tensor([[0.5], [0.1]])
    assert head.decode_median(below_BO, duration_B[:2]).tolist() == [0, 0]
    assert head.score(below_BO, duration_B[:2])[0] < head.score(below_BO, duration_B[:2])[1]


@pytest.mark.parametrize("kind", FORWARD)
def test_the_optimum_decodes_the_transformed_mean(kind: str, cells: Any) -> None:
    head = head_on(kind, cells.labels)
    watch_B = torch.from_numpy(cells.labels.watch_s).float()
    duration_B = torch.from_numpy(cells.labels.duration_s).float()
    means = np.bincount(cells.cell, FORWARD[kind](cells.labels.watch_s)) / np.bincount(cells.cell)
    standardised = (means - head.centre.item()) / head.spread.item()
    out_CO = torch.from_numpy(standardised).float().view(-1, 1).requires_grad_()
    head.loss(out_CO[torch.from_numpy(cells.cell)], watch_B, duration_B).mean().backward()
    np.testing.assert_allclose(out_CO.grad, 0, atol=1e-6)
    found = head.decode_median(out_CO.detach(), torch.from_numpy(cells.duration).float())
    np.testing.assert_allclose(found, BACK[kind](means), rtol=1e-4)
