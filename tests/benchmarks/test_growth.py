"""The ladder of growing logs: a quick rung is fitted and compared, and what grows is what it says."""

from pathlib import Path

import pytest

from benchmarks.growth import ladder
from benchmarks.growth.impressions import denser
from benchmarks.growth.ladder import METRICS, RECIPES
from benchmarks.growth.users import run
from benchmarks.parts.part import Options
from tasks.protocol.run import ProtocolRun
from tasks.simulate.config import SimulatorConfig


def test_impressions_grow_and_nobody_else() -> None:
    world = SimulatorConfig()
    assert denser(world, 99).model_dump() == world.model_dump() | {"impressions_per_day": 99}


@pytest.mark.slow
def test_a_rung_holds_both_models_on_the_same_rows_and_goes_on_where_it_was_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = Options(Path("no data"), (0,), tmp_path, quick=True)
    with monkeypatch.context() as ended:
        ended.setattr(ladder, "compare", lambda *_: pytest.exit("ended"))
        with pytest.raises(pytest.exit.Exception):
            run(options)
    monkeypatch.setattr(ProtocolRun, "fit", lambda *_: pytest.fail("fitted again"))
    (table,) = run(options)
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
