"""What random rows buy, on small nights of known truth run by the project's own stages."""

from pathlib import Path

import polars as pl
import pytest

from benchmarks.debias.random_slice import RECIPE, SHARES, measured, run
from benchmarks.parts.part import Options, Table
from tasks.core.layout import Workspace
from tasks.core.predictions import MEAN_UNIFORM, column
from tasks.score.scoring import served_seconds

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("scratch")


@pytest.fixture(scope="module")
def tables(scratch: Path) -> list[Table]:
    return run(Options(Path("no data"), seeds=(0,), scratch=scratch, quick=True))


@pytest.fixture(scope="module")
def night(scratch: Path) -> Workspace:
    return Workspace(scratch / f"random_slice/{SHARES[-1]:g}-0")


def test_random_rows_mend_the_total(tables: list[Table], night: Workspace) -> None:
    found = measured(night)
    assert [len(table.rows) for table in tables] == [1, 1]
    joint = measured(night, "joint_30")
    assert joint["rows"] == found["rows"]
    assert joint["rmse"] != found["rmse"]
    assert found["tre_signed"] > 0.1, "the log promises too much"
    assert abs(found["tre_signed_uniform"]) < found["tre_signed"] / 2
    assert found["rmse_uniform"] < found["rmse"]


def test_both_seconds_stand_in_the_predictions_and_one_is_served(tables: list[Table], night: Workspace) -> None:
    predictions = pl.read_parquet(night.predictions(RECIPE) / "judge.parquet")
    values = {name: predictions[column(name, 0)].to_numpy() for name in ("watch_mean", MEAN_UNIFORM)}
    assert served_seconds(values, "uniform").keys() == served_seconds(values, "logged").keys() == {"watch_mean"}
    assert (served_seconds(values, "uniform")["watch_mean"] == values[MEAN_UNIFORM]).all()
