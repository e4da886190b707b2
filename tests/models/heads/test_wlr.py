"""WLR: the optimum of the two-copy loss is the mean."""

import numpy as np
import pytest
import torch

from models.heads.base import TrainLabels
from models.heads.wlr import Wlr, WlrConfig
from tests.tolerance import ulps

LABELS = TrainLabels(np.arange(101, dtype=np.float64), np.full(101, 100.0))


def test_exp_of_the_optimal_logit_is_the_mean() -> None:
    """The gradient of the mean loss vanishes at exp(f) = mean(y / scale), and only there."""
    watch_B = torch.tensor([0.0, 0.0, 3.0, 17.0, 60.0])
    head = Wlr(WlrConfig(), Wlr.fit_state(WlrConfig(), LABELS))
    for offset, sign in ((-0.1, -1), (0.0, 0), (0.1, 1)):
        f = (torch.log(watch_B.mean() / 20) + offset).requires_grad_()
        head.loss(f.expand(5, 1), watch_B, torch.full((5,), 60.0)).mean().backward()
        assert f.grad.item() == pytest.approx(0, abs=ulps(8)) if sign == 0 else np.sign(f.grad.item()) == sign
    assert head.decode_mean(torch.log(watch_B.mean() / 20).view(1, 1), torch.tensor([60.0])).item() == pytest.approx(16)


def test_loss_is_the_two_copies() -> None:
    head = Wlr(WlrConfig(), Wlr.fit_state(WlrConfig(), LABELS))
    f = torch.tensor([[-1.3]])
    copies = -(35.0 / 20) * torch.log(torch.sigmoid(f)) - torch.log(1 - torch.sigmoid(f))
    assert head.loss(f, torch.tensor([35.0]), torch.tensor([40.0])).item() == pytest.approx(copies.item(), rel=ulps(16))


def test_logit_is_clamped_at_decode_only() -> None:
    head = Wlr(WlrConfig(), Wlr.fit_state(WlrConfig(), LABELS))
    long_B = torch.tensor([1e6])
    assert head.decode_mean(torch.tensor([[50.0]]), long_B).item() == pytest.approx(20 * np.exp(5), rel=1e-5)
    assert head.decode_mean(torch.tensor([[-50.0]]), long_B).item() == pytest.approx(20 * np.exp(-10), rel=1e-5)


def test_scale_may_be_the_90th_percentile() -> None:
    assert Wlr.fit_state(WlrConfig(scale_s=None), LABELS)["scale"] == pytest.approx(90.0)
