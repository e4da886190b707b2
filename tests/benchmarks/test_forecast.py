"""The forecast benchmark: its worlds, the recognised methods on known truth, and a small run of the whole."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from benchmarks.forecast import recognised
from benchmarks.forecast.nights import run
from benchmarks.forecast.worlds import WORLDS
from benchmarks.parts.part import Options
from tasks.evaluate.metrics.classification import auc
from tasks.forecast.measured import JudgedRows
from tests.forecast.conftest import FIRST, day_rows

RNG = np.random.default_rng(0)


def test_cbpe_is_the_auc_of_every_pair_weighed_by_its_chance() -> None:
    chance = np.round(RNG.random(60), 1)
    pairs = chance[:, None] * (1 - chance[None, :])
    np.fill_diagonal(pairs, 0.0)
    right = (chance[:, None] > chance[None, :]) + 0.5 * (chance[:, None] == chance[None, :])
    assert recognised.cbpe_auc(chance) == pytest.approx(float((pairs * right).sum() / pairs.sum()))
    drawn = [auc((RNG.random(60) < chance).astype(int), chance).value for _ in range(500)]
    assert recognised.cbpe_auc(chance) == pytest.approx(np.mean(drawn), abs=0.01)
    assert recognised.cbpe_auc(np.full(9, 0.3)) == 0.5


@pytest.mark.slow
def test_all_methods_foresee_the_errors_of_a_perfect_model(tmp_path: Path) -> None:
    """The mix of scenes changes, the law does not: every estimate follows, yesterday's value does not."""
    rows = []
    for number, share in enumerate((0.2, 0.5)):
        path = tmp_path / f"{number}.parquet"
        day_rows(FIRST.replace(day=1 + number), share=share).write_parquet(path)
        rows.append(JudgedRows.read("perfect", path))
    came, before = recognised.realised(rows[1]), recognised.realised(rows[0])
    for found in (recognised.recognised(*rows), recognised.by_law(*rows)):
        assert found["mae"] == pytest.approx(came["mae"], rel=0.05)
        assert found["rmse"] == pytest.approx(came["rmse"], rel=0.05)
        assert found["tre_signed"] == pytest.approx(came["tre_signed"], abs=0.05)
        assert found["auc_skip"] == pytest.approx(came["auc_skip"], abs=0.02)
    assert abs(before["mae"] / came["mae"] - 1) > 0.1


def test_worlds_bend_a_stationary_day() -> None:
    day = pl.DataFrame({"scene": [0, 1] * 500, "watch_ms": [1000] * 1000})
    assert WORLDS["steady"](day, 3).equals(day)
    weekday, weekend = WORLDS["weekly"](day, 0), WORLDS["weekly"](day, 2)
    assert (weekday.height, weekend.height) == (pytest.approx(800, abs=40), 1000)
    assert (weekday["watch_ms"][0], weekend["watch_ms"][0]) == (1000, 1100)
    early, late = WORLDS["drifting"](day, 0), WORLDS["drifting"](day, 100)
    assert (early["scene"].mean(), late["scene"].mean()) == (pytest.approx(1 / 3, abs=0.03), 0.5)
    assert (early["watch_ms"][0], late["watch_ms"][0]) == (1000, 1300)


@pytest.mark.slow
def test_a_small_run_judges_every_series(tmp_path: Path) -> None:
    intervals, methods = run(Options(Path("no data"), (0,), tmp_path, quick=True))
    assert len(intervals.rows) == 6 and len(methods.rows) == 3
    assert [row[0] for row in methods.rows] == ["drifting, law", "drifting, DLE, CBPE", "drifting, yesterday"]
    for found in intervals.numbers:
        assert found["judged_ever"] == 3
        assert np.isfinite([found["half_width"], found["error"], found["persistence"]]).all()
