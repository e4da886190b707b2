"""The comparison of debiased means runs, and its tables say what its runs say."""

from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.debias.nuisance import INSTRUMENTS, REAL_NAMES, audited, made_rows, run, tried
from benchmarks.debias.nuisance_days import WORLDS
from benchmarks.parts.part import Options
from tasks.evaluate.nuisance.config import NuisanceConfig


def test_made_rows_are_biased_and_their_truth_is_what_all_rows_say() -> None:
    found = [made_rows(0, draw) for draw in range(3)]
    assert len({truth for _, truth, _ in found}) == 1
    assert all(naive > truth + 0.4 for _, truth, naive in found)
    assert not any((found[0][0].input_NF == rows.input_NF).all() for rows, _, _ in found[1:])


def test_linear_learners_are_wrong_there_and_pass_where_nothing_else_is_asked() -> None:
    """The control of the table: what the gate lets through because all learners are blind alike."""
    config = NuisanceConfig(propensities=("constant", "logistic"), outcomes=("constant", "ridge"))
    found = tried(made_rows(0, 0), config)
    assert found.counts and not found.held
    assert found.errors["chosen"] < found.errors["observed"]


@pytest.mark.parametrize("line", INSTRUMENTS[:3] + INSTRUMENTS[4:])
def test_the_instrument_is_refused_where_variances_are_equal(line: tuple[int, float, float]) -> None:
    found = audited(*line, seed=1)
    assert (found.value is None) == (line[1] == 0)
    assert found.value is None or abs(found.value - 1) < 0.6


@pytest.mark.slow
def test_the_quick_variant_runs(shared_data: Callable[[str], Path], tmp_path: Path) -> None:
    data = shared_data("KuaiRand-Pure").parent
    made, real, day, instrument = run(Options(data, seeds=(0,), scratch=tmp_path, quick=True))
    assert [row[0] for row in real.rows] == list(REAL_NAMES)
    assert all(len(row) == len(table.columns) for table in (made, real, day, instrument) for row in table.rows)
    assert instrument.rows[-1][2] == "no number"
    assert [row[0] for row in day.rows] == list(WORLDS)
    assert not any(tmp_path.rglob("*.parquet")), "no day is left behind"
