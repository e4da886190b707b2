"""D2Q: mid-ranks with ties, the inverse, and what the optimum decodes to."""

from typing import Any

import numpy as np
import pytest
import torch

from models.heads.base import TrainLabels
from models.heads.d2q import D2q, D2qConfig
from tests.tolerance import ulps


def head_on(watch: Any, duration: Any, groups: int = 10) -> D2q:
    config = D2qConfig(groups=groups)
    labels = TrainLabels(np.asarray(watch, dtype=np.float64), np.asarray(duration, dtype=np.float64))
    return D2q(config, D2q.fit_state(config, labels))


def midrank(train: np.ndarray, value: float) -> float:
    """Return (share below + share at or below) / 2 by counting."""
    return float(((train < value).mean() + (train <= value).mean()) / 2)


def test_ties_get_one_mid_rank() -> None:
    head = head_on([0, 0, 0, 2, 5, 5, 9, 10], [10] * 8)
    target = head.target(torch.tensor([0.0, 2.0, 5.0, 9.0, 10.0]), torch.full((5,), 10.0))
    assert target.tolist() == pytest.approx([3 / 16, 7 / 16, 5 / 8, 13 / 16, 15 / 16])


def test_unseen_values_get_the_share_below() -> None:
    head = head_on([0, 0, 0, 2, 5, 5, 9, 10], [10] * 8)
    assert head.target(torch.tensor([1.0, 99.0]), torch.full((2,), 10.0)).tolist() == pytest.approx([3 / 8, 1.0])


def test_target_equals_counting_in_every_group() -> None:
    rng = np.random.default_rng(0)
    duration = rng.integers(5, 50, 600).astype(float)
    watch = np.round(np.minimum(duration, rng.exponential(12, 600)) * (rng.random(600) > 0.1), 3)
    head = head_on(watch, duration, groups=4)
    group = head.group(torch.from_numpy(duration).float()).numpy()
    assert len(np.unique(group)) == 4
    asked = np.concatenate([watch[:50], np.round(rng.random(50) * 60, 3)])
    asked_duration = np.concatenate([duration[:50], rng.integers(1, 80, 50)])
    asked_group = head.group(torch.from_numpy(asked_duration).float()).numpy()
    expected = [midrank(watch[group == g], y) for g, y in zip(asked_group, asked, strict=True)]
    found = head.target(torch.from_numpy(asked).float(), torch.from_numpy(asked_duration).float())
    np.testing.assert_allclose(found, expected, rtol=ulps(8), atol=ulps(8))


def test_mean_target_of_a_group_is_one_half() -> None:
    head = head_on([0, 0, 0, 2, 5, 5, 9, 10], [10] * 8)
    watch_B = torch.tensor([0, 0, 0, 2, 5, 5, 9, 10.0])
    assert head.target(watch_B, torch.full((8,), 10.0)).mean().item() == pytest.approx(0.5)


def test_inverse_of_the_target_is_within_one_quantile_step(cells: Any) -> None:
    watch, duration = cells.labels.watch_s, cells.labels.duration_s
    head = head_on(watch, duration, groups=3)
    watch_B, duration_B = torch.from_numpy(watch).float(), torch.from_numpy(duration).float()
    back_B = head.inverse(head.target(watch_B, duration_B), duration_B)
    largest_step_B = head.quantiles.diff(dim=1).max(dim=1).values[head.group(duration_B)]
    assert ((back_B - watch_B).abs() <= largest_step_B).all()


def test_inverse_is_exact_at_the_quantile_points_and_linear_between() -> None:
    head = head_on(np.arange(201), [300] * 201)
    u_B = torch.tensor([0.0, 0.5, 0.505, 1.0])
    assert head.inverse(u_B, torch.full((4,), 300.0)).tolist() == pytest.approx([0, 100, 101.005, 200], rel=1e-5)


def test_the_optimum_decodes_the_mean_rank(cells: Any) -> None:
    """s(f) converges to E[U | cell], so the decode is icdf_k of it: near the median, but not the median."""
    head = head_on(cells.labels.watch_s, cells.labels.duration_s, groups=3)
    watch_B = torch.from_numpy(cells.labels.watch_s).float()
    duration_B = torch.from_numpy(cells.labels.duration_s).float()
    target_B = head.target(watch_B, duration_B).double().numpy()
    mean_rank = np.bincount(cells.cell, target_B) / np.bincount(cells.cell)
    out_CO = torch.logit(torch.from_numpy(mean_rank)).float().view(-1, 1).requires_grad_()
    head.loss(out_CO[torch.from_numpy(cells.cell)], watch_B, duration_B).sum().backward()
    np.testing.assert_allclose(out_CO.grad, 0, atol=1e-3)
    decoded = head.decode_median(out_CO.detach(), torch.from_numpy(cells.duration).float()).numpy()
    for cell, duration in enumerate(cells.duration):
        in_group = cells.labels.watch_s[cells.labels.duration_s == duration]
        assert abs(midrank(in_group, decoded[cell]) - mean_rank[cell]) <= 0.011
