from pathlib import Path

import pytest

from benchmarks.parts.part import Options
from benchmarks.sequence import simulator
from benchmarks.sequence.__main__ import BENCHMARK
from benchmarks.sequence.fits import fit
from benchmarks.sequence.methods import CHALLENGER, MODELS, RIVALS, methods
from benchmarks.sequence.protocol.floors import FLOORS
from benchmarks.sequence.protocol.split import SequenceSplit


@pytest.mark.slow
def test_a_quick_run_gives_all_tables(tmp_path: Path) -> None:
    options = Options(data=tmp_path, seeds=(0,), scratch=tmp_path, quick=True)
    metrics, differences = simulator.run(options)
    assert [row[0] for row in metrics.rows] == [*FLOORS, "SASRec", CHALLENGER]
    assert [row[0] for row in differences.rows] == [f"{CHALLENGER} - {name}" for name in ("SASRec", *FLOORS)]
    for table in (metrics, differences):
        assert all(len(row) == len(table.columns) for row in table.rows)


def test_every_comparison_names_a_model() -> None:
    assert {CHALLENGER, *RIVALS} <= set(MODELS) == set(methods({}, quick=False))


def test_a_finished_fit_is_taken(halves: SequenceSplit, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    method = methods({}, quick=True)[CHALLENGER]
    first, second = (fit(halves, CHALLENGER, method, 0, tmp_path) for _ in "ab")
    assert capsys.readouterr().err.count("epochs") == 1
    assert first.test_C.tobytes() == second.test_C.tobytes()
    assert first.best_epoch == second.best_epoch
    fit(halves, CHALLENGER, method, 1, tmp_path)
    assert capsys.readouterr().err.count("epochs") == 1


def test_an_unknown_part_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        BENCHMARK.main(["unknown"])
    assert "simulator" in capsys.readouterr().err
