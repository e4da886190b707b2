"""The ladder of growing logs: a quick rung is fitted and compared, and what grows is what it says."""

from pathlib import Path

import pytest

from benchmarks.growth.impressions import denser
from benchmarks.growth.ladder import METRICS, RECIPES
from benchmarks.growth.users import run
from benchmarks.parts.part import Options
from tasks.simulate.config import SimulatorConfig


def test_impressions_grow_and_nobody_else() -> None:
    world = SimulatorConfig()
    assert denser(world, 99).model_dump() == world.model_dump() | {"impressions_per_day": 99}


@pytest.mark.slow
def test_a_rung_holds_both_models_on_the_same_rows(tmp_path: Path) -> None:
    (table,) = run(Options(Path("no data"), (0,), tmp_path, quick=True))
    (measured,) = table.numbers
    assert measured["rows"] > 4_000
    assert set(measured["cpu_s"]) == set(RECIPES)
    assert all(seconds > 0 for seconds in measured["cpu_s"].values())
    for name in METRICS:
        metric = measured["metrics"][name]
        assert metric["low"] < metric["value"] < metric["high"], name
    xauc = measured["metrics"]["xauc"]
    assert xauc["value"] == pytest.approx(xauc["candidate"] - xauc["reference"])
    assert len(table.rows[0]) == len(table.columns)
    assert not list(tmp_path.iterdir())
