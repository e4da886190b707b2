"""The benchmark of selected rows runs on a small world: every arm at one share, as many rows as it may have, on one judge day."""

from pathlib import Path

import pytest

from benchmarks.efficiency.selection import ARMS, FIT_DAYS, METRICS, WHOLE, run
from benchmarks.parts.part import Options

pytestmark = pytest.mark.slow


def test_every_arm_keeps_its_share_and_is_measured(tmp_path: Path) -> None:
    (table,) = run(Options(tmp_path, seeds=[0], scratch=tmp_path, quick=True))
    assert table.rows[0][0] == WHOLE and len(table.rows) == 1 + len(ARMS)
    (whole,) = table.numbers[WHOLE]
    found = {name.split(",")[0]: one for name, (one,) in table.numbers.items() if name != WHOLE}
    assert found.keys() == ARMS.keys()
    for arm, one in found.items():
        apart = 2.0 if arm in ("users", "search") else 1.3  # a few users have many rows
        assert 1 / apart < one["rows"] / whole["rows"] * FIT_DAYS / 2 < apart, arm
        assert all(0 < one[metric] < 5 for metric in METRICS), arm
        assert one["effective"] <= one["rows"] + 1e-6
    assert found["rare"]["rows"] == found["unweighted"]["rows"] > found["rare"]["effective"]
    assert found["rare"]["skip"] != found["unweighted"]["skip"]
