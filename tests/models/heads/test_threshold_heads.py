"""Ordinal, CREAD and hazard: losses by counting, curves that do not rise, decodes that are integrals of them."""

from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional

from models.heads.cread import Cread
from models.heads.hazard import Hazard
from models.heads.ordinal import Ordinal
from models.heads.threshold_head import ThresholdHead
from tests.models.heads.test_contract import make

HEADS: dict[str, dict[str, Any]] = {
    "ordinal": {},
    "cread": {},
    "hazard": {},
    "cread free": {"monotone_survival": False},
}


def build(name: str, cells: Any, **options: Any) -> Any:
    return make(name.split()[0], cells.labels, **HEADS[name], **options)


def outputs(head: ThresholdHead, rows: int, scale: float = 1.0) -> torch.Tensor:
    return scale * torch.randn(rows, head.num_outputs, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("name", HEADS)
def test_an_untrained_head_predicts_the_train_rows(name: str, cells: Any) -> None:
    head = build(name, cells)
    survival_J = head.survival(torch.zeros(1, head.num_outputs))[0].numpy()
    expected = (cells.labels.watch_s[:, None] > head.cuts.double().numpy() + 1e-6).mean(axis=0)
    first = 1 if name == "ordinal" else 0
    # A censored play counts as survived at its duration, a complete one of 10 s as not longer than 10 s.
    upto = np.searchsorted(head.cuts.numpy(), 9.4) if name == "hazard" else len(expected)
    np.testing.assert_allclose(survival_J[first:upto], expected[first:upto], atol=2e-3)


@pytest.mark.parametrize("name", ["cread", "hazard"])
@pytest.mark.parametrize("scale", [1.0, 30.0])
def test_survival_never_rises(name: str, scale: float, cells: Any) -> None:
    head = build(name, cells)
    survival_BJ = head.survival(outputs(head, 100, scale))
    assert (survival_BJ.diff(dim=1) <= 0).all() and (survival_BJ >= 0).all() and (survival_BJ <= 1).all()


@pytest.mark.parametrize("name", HEADS)
@pytest.mark.parametrize("duration", [0.7, 10.0, 33.3, 90.0, 300.0])
def test_mean_is_the_integral_of_the_curve(name: str, duration: float, cells: Any) -> None:
    head = build(name, cells)
    out_BO, cuts = outputs(head, 5), head.cuts.double().numpy()
    middle = (np.arange(400_000) + 0.5) / 400_000 * duration
    for row, found in zip(
        head.survival(out_BO).double().numpy(), head.decode_mean(out_BO, torch.full((5,), duration)), strict=True
    ):
        steps = np.append(row, 0)[np.searchsorted(cuts, middle)]
        curve = steps if name == "ordinal" else np.interp(middle, cuts, row, right=0)
        assert found.item() == pytest.approx(curve.mean() * duration, rel=1e-3)


def test_the_right_end_sum_is_low_by_half_of_what_each_bin_loses(cells: Any) -> None:
    ordinal, cread = build("ordinal", cells), build("cread free", cells)
    out_BO, long_B = outputs(ordinal, 5), torch.full((5,), 1000.0)
    with_zero_BO = functional.pad(out_BO, (1, 0), value=40.0)
    loss_BM = -0.5 * ordinal.cuts.diff() * ordinal.survival(out_BO).diff(dim=1)
    np.testing.assert_allclose(
        cread.decode_mean(with_zero_BO, long_B) - ordinal.decode_mean(out_BO, long_B), loss_BM.sum(dim=1), rtol=1e-4
    )


@pytest.mark.parametrize("name", ["cread", "cread free"])
def test_cread_loss_by_hand(name: str, cells: Any) -> None:
    head: Cread = build(name, cells, order_weight=0.5)
    out_BO, watch_B, duration_B = (
        outputs(head, 4),
        torch.tensor([0.0, 3.0, 30.0, 90.0]),
        torch.tensor([10, 10, 30, 90.0]),
    )
    p_BJ = head.survival(out_BO).double()
    above_BJ = (watch_B[:, None] > head.cuts).double()
    entropy_B = -(above_BJ * p_BJ.log() + (1 - above_BJ) * torch.log(1 - p_BJ)).sum(dim=1)
    error_B = (head.decode_mean(out_BO, duration_B) - watch_B).abs() / 20
    huber_B = torch.where(error_B < 1, 0.5 * error_B**2, error_B - 0.5)
    disorder_B = (p_BJ[:, 1:] - p_BJ[:, :-1]).clamp(min=0).sum(dim=1)
    expected_B = (entropy_B + huber_B + 0.5 * disorder_B) / head.num_outputs
    np.testing.assert_allclose(head.loss(out_BO, watch_B, duration_B), expected_B, rtol=1e-4)
    assert (disorder_B.max() > 0) == (name == "cread free")


def test_ordinal_loss_by_hand(cells: Any) -> None:
    head: Ordinal = build("ordinal", cells)
    out_BO, watch_B = outputs(head, 3), torch.tensor([0.0, 3.0, 90.0])
    p_BM = head.survival(out_BO)[:, 1:].double()
    above_BM = (watch_B[:, None] > head.cuts[1:]).double()
    expected_B = -(above_BM * p_BM.log() + (1 - above_BM) * torch.log(1 - p_BM)).mean(dim=1)
    np.testing.assert_allclose(head.loss(out_BO, watch_B, torch.ones(3)), expected_B, rtol=1e-4)


def test_hazard_loss_is_minus_the_log_of_where_the_row_stopped(cells: Any) -> None:
    head: Hazard = build("hazard", cells)
    out_BO = outputs(head, 1)
    survival_J = head.survival(out_BO)[0].double()
    cuts = head.cuts.tolist()

    def loss(watch: float, duration: float) -> float:
        return head.loss(out_BO, torch.tensor([watch]), torch.tensor([duration])).item()

    assert loss(0, 50) == pytest.approx(-torch.log(1 - survival_J[0]).item(), rel=1e-4)
    for j in (1, 5, 17):
        stopped_in_bin = -torch.log(survival_J[j - 1] - survival_J[j]).item()
        assert loss(cuts[j], 200) == pytest.approx(stopped_in_bin, rel=1e-4)
        assert loss((cuts[j - 1] + cuts[j]) / 2, 200) == pytest.approx(stopped_in_bin, rel=1e-4)
        assert loss(cuts[j], cuts[j]) == pytest.approx(-torch.log(survival_J[j - 1]).item(), rel=1e-4)
    assert loss(300, 1000) == pytest.approx(-torch.log(survival_J[-1]).item(), rel=1e-4)


def test_everything_censored_teaches_only_to_stay(cells: Any) -> None:
    head: Hazard = build("hazard", cells)
    out_BO = torch.zeros(3, head.num_outputs, requires_grad=True)
    duration_B = torch.tensor([10.0, 29.6, 90.0])
    watch_B = torch.tensor([9.7, 29.6, 90.0])
    head.loss(out_BO, watch_B, duration_B).sum().backward()
    below_BJ = head.cuts < watch_B[:, None]
    assert (out_BO.grad[below_BJ] > 0).all() and (out_BO.grad[~below_BJ] == 0).all()


def test_hazard_flags_are_shares_of_a_fitted_cell(cells: Any) -> None:
    """Outputs that hold the exact hazards of one cell give the shares of its rows."""
    head: Hazard = build("hazard", cells, thresholds=200)
    watch = cells.labels.watch_s[cells.cell == 2]
    above = (watch[:, None] > head.cuts.double().numpy() + 1e-6).mean(axis=0)
    above = np.where(head.cuts.numpy() >= 30, (watch >= 30).mean(), above)
    hazard = np.clip(1 - above / np.concatenate([[1], above[:-1]]), 1e-9, 1 - 1e-9)
    out_BO = (torch.from_numpy(np.log(hazard / (1 - hazard))).float() - head.base).unsqueeze(0)
    found = {task: p.item() for task, p in head.flags(out_BO, torch.tensor([30.0])).items()}
    assert found["skip"] == pytest.approx((watch < 3).mean(), abs=0.01)
    assert found["valid_play"] == pytest.approx((watch > 7).mean(), abs=0.01)
    assert found["long_view"] == pytest.approx((watch > 18).mean(), abs=0.01)
    assert found["finish"] == pytest.approx(0.1, abs=0.01)
    short = head.flags(out_BO, torch.tensor([6.0]))
    assert short["valid_play"] == short["long_view"] == short["finish"]


@pytest.mark.parametrize("name", HEADS)
def test_the_score_is_the_whole_integral_as_far_as_the_video_goes(name: str, cells: Any) -> None:
    head = build(name, cells)
    out_BO = outputs(head, 5)
    whole_B = head.decode_mean(out_BO, torch.full((5,), float(head.cuts[-1])))
    for duration in (2.0, 30.0, 1000.0):
        torch.testing.assert_close(head.score(out_BO, torch.full((5,), duration)), whole_B.clamp(max=duration))
