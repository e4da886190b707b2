"""The benchmark of second moments runs on a small simulated night and a small planted log: other fits, in less memory."""

from pathlib import Path

import pytest

from benchmarks.efficiency.second_moment import run
from benchmarks.parts.part import Options


@pytest.mark.slow
def test_a_quick_run_fits_either_way(tmp_path: Path) -> None:
    for table in run(Options(Path("no data"), (0,), tmp_path, quick=True)):
        number, row = (table.numbers[kept] for kept in ("number", "row"))
        assert row["mib"] < 0.8 * number["mib"]
        assert number["xauc"] != row["xauc"]
