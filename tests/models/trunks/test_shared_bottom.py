"""Shared bottom: every task sees the same representation."""

import torch

from models.encoders.base import Encoded, EncodedShape
from models.trunks.shared_bottom import SharedBottom, SharedBottomConfig


def test_all_tasks_share_one_representation() -> None:
    trunk = SharedBottom(SharedBottomConfig(hidden=(5,)), EncodedShape(1, 4, 4), ("watch_time", "skip")).eval()
    flat_BE = torch.randn(3, 4)
    h = trunk(Encoded(flat_BE.unsqueeze(1), flat_BE))
    linear = trunk.bottom[0]
    torch.testing.assert_close(h["skip"], torch.relu(flat_BE @ linear.weight.T + linear.bias))
    assert h["watch_time"] is h["skip"]
    assert trunk.width == 5
    assert trunk.diagnostics(Encoded(flat_BE.unsqueeze(1), flat_BE)) == {}
