"""WTG, D2Co and CWM: labels relative to the duration, and their way back to seconds."""

from typing import Any

import numpy as np
import pytest
import torch
from scipy import special

from models.heads.base import TrainLabels
from models.heads.cwm import Cwm
from models.heads.d2co import D2co, D2coS
from models.heads.duration_seconds import look_up, pooled_seconds
from models.heads.wtg import Wtg
from tests.models.heads.test_contract import make
from tests.tolerance import ulps


def test_windows_grow_until_they_have_enough_rows() -> None:
    first, after = pooled_seconds(np.array([0, 30, 0, 5, 5, 40]), 20)
    assert first.tolist() == [0, 1, 1, 1, 3, 5]
    assert after.tolist() == [2, 2, 4, 6, 6, 6]
    first, after = pooled_seconds(np.array([3, 0, 4]), 20)
    assert (first <= 0).all() and (after >= 3).all()


def test_look_up_takes_the_whole_second_and_the_last_one_beyond() -> None:
    table_S = torch.arange(5.0)
    assert look_up(table_S, torch.tensor([0.0, 2.4, 2.6, 4.0, 400.0])).tolist() == [0, 2, 3, 4, 4]


def test_wtg_is_standardised_within_each_second() -> None:
    rng = np.random.default_rng(0)
    duration = np.repeat([9.8, 10.3, 40.0], [300, 300, 500])
    watch = np.round(duration * rng.random(1100), 3)
    head: Wtg = make("wtg", TrainLabels(watch, duration))
    gain = head.latent_label(torch.from_numpy(watch).float(), torch.from_numpy(duration).float()).numpy()
    for rows in (slice(0, 600), slice(600, 1100)):
        assert gain[rows].mean() == pytest.approx(0, abs=1e-5)
        assert gain[rows].std() == pytest.approx(1, rel=1e-5)


def test_wtg_pools_sparse_seconds() -> None:
    duration = np.repeat([10.0, 11, 12, 40], [50, 3, 50, 50])
    watch = np.repeat([2.0, 9, 4, 30], [50, 3, 50, 50]) + np.tile([-1.5, 1.5, 0], 51)
    head: Wtg = make("wtg", TrainLabels(watch, duration))
    assert head.mean[11].item() == pytest.approx(watch[:103].mean(), rel=1e-6)
    assert head.mean[40].item() == pytest.approx(watch[103:].mean(), rel=1e-6)
    assert head.spread[11].item() == pytest.approx(watch[:103].std(), rel=1e-6)


def test_wtg_sums_are_exact_for_any_number_of_rows() -> None:
    watch = np.full(100, 86_399.999)
    watch[:50] -= 4.0
    head: Wtg = make("wtg", TrainLabels(watch, np.full(100, 60.0), truncated=False))
    assert head.spread[60].item() == pytest.approx(2.0, rel=1e-6)


@pytest.mark.parametrize(("kind", "options"), [("wtg", {}), ("d2co_a", {})])
def test_affine_round_trips(kind: str, options: dict[str, Any], cells: Any) -> None:
    head = make(kind, cells.labels, **options)
    watch_B = torch.linspace(0, 90, 901)
    for duration in (10.0, 30.0, 90.0):
        inside_B = watch_B[watch_B <= duration]
        duration_B = torch.full_like(inside_B, duration)
        label_B = head.latent_label(inside_B, duration_B)
        np.testing.assert_allclose(head.decode_mean(label_B.unsqueeze(1), duration_B), inside_B, atol=1e-4)
        np.testing.assert_allclose(head.loss(label_B.unsqueeze(1) + 0.5, inside_B, duration_B), 0.25, atol=1e-3)


@pytest.mark.parametrize("sensitivity", [0.3, -0.05])
def test_d2co_s_round_trip_between_the_means(sensitivity: float, cells: Any) -> None:
    head: D2coS = make("d2co_s", cells.labels, sensitivity=sensitivity)
    for duration in (10.0, 30.0, 90.0):
        lower, higher = (mean.item() for mean in head.means(torch.tensor(duration)))
        watch_B = torch.linspace(lower, higher, 500)
        duration_B = torch.full_like(watch_B, duration)
        label_B = head.label(watch_B, duration_B)
        a, w = sensitivity, watch_B.double()
        expected = (torch.exp(a * w) - np.exp(a * lower)) / (np.exp(a * higher) - np.exp(a * lower))
        np.testing.assert_allclose(label_B, expected.clamp(0, 1), atol=1e-5)
        np.testing.assert_allclose(head.inverse(label_B, duration_B), watch_B, rtol=ulps(8), atol=1e-4)
        outside = head.label(torch.tensor([0.0, duration]), torch.full((2,), duration))
        assert outside.tolist() == pytest.approx([0, 1], abs=1e-6)


@pytest.mark.parametrize("sensitivity", [0.3, -0.3])
def test_d2co_s_survives_hour_long_videos(sensitivity: float) -> None:
    watch = np.concatenate([np.zeros(100), np.full(100, 3600.0)])
    head: D2coS = make("d2co_s", TrainLabels(watch, np.full(200, 3600.0)), sensitivity=sensitivity)
    duration_B = torch.full((3,), 3600.0)
    label_B = head.label(torch.tensor([0.0, 1800, 3600]), duration_B)
    assert ((label_B >= 0) & (label_B <= 1)).all()
    assert torch.isfinite(head.score(torch.tensor([[-200.0], [0], [200]]), duration_B)).all()


def test_d2co_finds_the_two_groups_of_every_duration() -> None:
    rng = np.random.default_rng(0)
    duration = np.repeat([20.0, 60.0], 2000)
    skips = rng.random(4000) < 0.4
    watch = np.clip(np.where(skips, rng.normal(2, 0.5, 4000), rng.normal(0.8 * duration, 2)), 0, duration)
    head: D2co = make("d2co_a", TrainLabels(watch, duration), smoothing=1)
    lower, higher = head.means(torch.tensor([20.0, 60.0]))
    assert lower.tolist() == pytest.approx([2, 2], abs=0.1)
    assert higher.tolist() == pytest.approx([16, 48], abs=0.2)


def test_d2co_smooths_by_rows() -> None:
    duration = np.repeat([20.0, 21.0, 22.0], [100, 300, 100])
    watch = np.concatenate([np.tile([1.0, 11], 50), np.tile([2.0, 14], 150), np.tile([3.0, 19], 50)])
    rough, smooth = (make("d2co_a", TrainLabels(watch, duration), smoothing=t) for t in (1, 2))
    assert rough.skipped[20:23].tolist() == pytest.approx([1, 2, 3], abs=0.05)
    assert smooth.skipped[20:23].tolist() == pytest.approx([1.75, 2.0, 2.25], abs=0.05)
    assert smooth.watched[21].item() == pytest.approx((11 + 3 * 14 + 19) / 5, abs=0.1)


def test_cwm_index_and_losses_by_hand(cells: Any) -> None:
    head: Cwm = make("cwm", cells.labels)
    watch_B, duration_B = torch.tensor([9.0, 30.0, 29.6]), torch.tensor([30.0, 30.0, 30.4])
    z = special.logit(np.exp(-40 / (np.array([9.0, 30.0, 30.4]) + 1)))
    np.testing.assert_allclose(head.index(torch.tensor([9.0, 30.0, 30.4])), z, rtol=1e-5)
    expected = [
        (0.4 - z[0]) ** 2 / 8,
        -np.log(special.expit((0.4 - z[1]) / 2)),
        -np.log(special.expit((0.4 - z[2]) / 2)),
    ]
    assert head.loss(torch.full((3, 1), 0.4), watch_B, duration_B).tolist() == pytest.approx(expected, rel=1e-5)


def test_cwm_round_trip_above_its_clamp(cells: Any) -> None:
    head: Cwm = make("cwm", cells.labels)
    watch_B = torch.linspace(1.9, 90, 1000)
    found_B = head.decode_median(head.index(watch_B).unsqueeze(1), torch.full_like(watch_B, 90.0))
    np.testing.assert_allclose(found_B, watch_B, rtol=ulps(8), atol=1e-4)
    clamped_B = head.decode_median(head.index(torch.tensor([0.0, 1.0])).unsqueeze(1), torch.full((2,), 90.0))
    assert clamped_B.tolist() == pytest.approx([1.895, 1.895], abs=1e-3)


def test_cwm_batch_without_a_complete_play_is_finite_and_rows_are_independent(cells: Any) -> None:
    """Public code averaged complete and incomplete rows apart: NaN where a batch had none of one kind."""
    head: Cwm = make("cwm", cells.labels)
    out_BO, watch_B, duration_B = torch.randn(4, 1), torch.tensor([1.0, 30, 5, 30]), torch.full((4,), 30.0)
    together_B = head.loss(out_BO, watch_B, duration_B)
    alone_B = [head.loss(out_BO[i : i + 1], watch_B[i : i + 1], duration_B[i : i + 1]).mean() for i in range(4)]
    assert together_B.tolist() == pytest.approx([loss.item() for loss in alone_B])
    assert torch.isfinite(together_B).all()


@pytest.mark.parametrize("kind", ["wtg", "d2co_a", "d2co_s", "tpm", "cqe", "cread"])
def test_label_state_is_a_function_of_the_train_rows_alone(kind: str, cells: Any) -> None:
    """Public D2Co, CWM and EGMN code fitted mixtures, percentiles and ranks on rows that include the test's."""
    head = make(kind, cells.labels)
    before = {name: value.clone() for name, value in head.state_dict().items()}
    out_BO = torch.zeros(3, head.num_outputs, requires_grad=True)
    head.loss(out_BO, torch.tensor([400.0, 0, 7]), torch.tensor([400.0, 5, 7])).sum().backward()
    head.decode_median(out_BO, torch.tensor([400.0, 5, 7]))
    assert all(torch.equal(value, before[name]) for name, value in head.state_dict().items())
