"""The benchmark of item codes runs, and its slices are those of the videos' fit rows."""

from pathlib import Path

import pytest

from benchmarks.parts.part import Options
from benchmarks.representation.cold_start import run


@pytest.mark.slow
def test_a_quick_run_measures_every_arm(tmp_path: Path) -> None:
    *slices, codebook = run(Options(Path("no data"), (0,), tmp_path, quick=True))
    assert slices[0].title == "All judge rows" and slices[1].title == "Videos with 0 fit rows"
    parts = [int(table.notes[0].split()[0].replace(",", "")) for table in slices]
    assert sum(parts[1:]) <= parts[0]
    for table in slices:
        assert [row[0] for row in table.rows] == ["none", "rq", "random"]
        sizes = {row[0]: row[1] for row in table.rows}
        assert sizes["rq"] == sizes["random"] != sizes["none"]
        assert len({tuple(arm["per_seed"]) for arm in table.numbers.values()}) == 3
    assert codebook.numbers["kind"] == "rq" and codebook.numbers["later"] > 0
