"""Value regression: scales and losses by hand."""

import numpy as np
import pytest
import torch

from models.heads.base import TrainLabels
from models.heads.value_regression import VrL1, VrL1Config, VrMse, VrMseConfig
from tests.tolerance import ulps

LABELS = TrainLabels(np.arange(101, dtype=np.float64), np.full(101, 100.0))


def test_scale_is_fixed_or_the_99th_percentile() -> None:
    assert VrMse.fit_state(VrMseConfig(), LABELS)["scale"] == 20.0
    assert VrMse.fit_state(VrMseConfig(scale_s=None), LABELS)["scale"] == pytest.approx(99.0)


@pytest.mark.parametrize(("head", "config", "expected"), [(VrMse, VrMseConfig(), 0.25), (VrL1, VrL1Config(), 0.5)])
def test_loss_by_hand(head: type[VrMse], config: VrMseConfig, expected: float) -> None:
    module = head(config, head.fit_state(config, LABELS))
    one_scale_BO = torch.log(torch.expm1(torch.ones(1, 1)))
    loss_B = module.loss(one_scale_BO, torch.tensor([30.0]), torch.tensor([40.0]))
    assert loss_B.item() == pytest.approx(expected, rel=ulps(16))
    assert module.score(one_scale_BO, torch.tensor([15.0])).item() == pytest.approx(20.0, rel=ulps(16))


def test_decode_is_clipped_to_the_duration() -> None:
    head = VrMse(VrMseConfig(), VrMse.fit_state(VrMseConfig(), LABELS))
    assert head.decode_mean(torch.full((1, 1), 9.0), torch.tensor([15.0])).item() == 15.0
    assert head.decode_median(torch.full((1, 1), 9.0), torch.tensor([15.0])) is None
