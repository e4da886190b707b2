"""The benchmark of widths runs on a small planted log: every arm at one budget, as many numbers and bytes as it may have."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks.efficiency.widths import ARMS, BUDGETS, run
from benchmarks.parts.part import Options


@pytest.mark.slow
def test_a_quick_run_holds_every_arm_to_its_budget(tmp_path: Path) -> None:
    (table,) = run(Options(Path("no data"), (0,), tmp_path, quick=True))
    assert [row[0] for row in table.rows] == ["whole", *ARMS.values()]
    whole = table.numbers["whole"]
    assert whole["dropped"] == [0.0]
    for arm in ARMS:
        found = table.numbers[f"{arm}, {BUDGETS[0]:g}"]
        assert found["bytes"][0] < (BUDGETS[0] + 0.1) * whole["bytes"][0]
        # Three rows of the duration's field are whole; one width for all has no zeros, it has fewer numbers.
        assert (found["dropped"][0] > 1 - BUDGETS[0] - 0.01) == (arm != "uniform")
        assert np.isfinite([found["validation"][0], found["judge"][0]]).all()
    assert {row[-1] for row in table.rows if row[0] not in ("whole", ARMS["magnitude"])} <= {"yes", "no"}
