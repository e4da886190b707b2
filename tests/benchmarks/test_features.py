"""The twins of the features stage hold what it makes, and the comparison can fail."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from benchmarks.features.log import KEYS, Log
from benchmarks.features.twins import POLARS, TWINS, write
from benchmarks.scale import REPOSITORY
from tasks.config import load_params
from tasks.core.cluster import NoCluster
from tasks.core.days import Days
from tasks.features.build import build_features
from tasks.ingest.stage import default_as_of, ingest
from tasks.simulate.config import SimulatorConfig

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Log:
    """Eleven days of a world with late rows, as ingested."""
    folder, source = tmp_path_factory.mktemp("log"), SimulatorConfig().scaled(400)
    days = Days.of_night(default_as_of(source), fit_days=2, lookback=7)
    ingest(source, days, folder)
    return Log(folder, load_params(REPOSITORY / "params.yaml").features, days)


@pytest.fixture(scope="module")
def expected(log: Log, tmp_path_factory: pytest.TempPathFactory) -> pl.DataFrame:
    out = tmp_path_factory.mktemp("features")
    build_features(log.folder, log.config, log.days, out, NoCluster())
    return pl.read_parquet(out / "rows/*/part.parquet", hive_partitioning=False).sort(KEYS)


def differing(found: pl.DataFrame, expected: pl.DataFrame, dense: list[str]) -> list[str]:
    same = [name for name in found.columns if name not in dense]
    assert found.select(same).equals(expected.select(same).cast(dict(found.select(same).schema)))
    pairs = ((name, found[name].to_numpy(), expected[name].to_numpy()) for name in dense)
    return [name for name, mine, theirs in pairs if not np.allclose(mine, theirs, rtol=2e-5, atol=2e-5)]


@pytest.mark.parametrize("name", TWINS)
def test_a_twin_makes_the_values_of_the_stage(name: str, log: Log, expected: pl.DataFrame, tmp_path: Path) -> None:
    write(name, log, tmp_path / "rows.parquet")
    found = pl.read_parquet(tmp_path / "rows.parquet").sort(KEYS)
    assert (found["state_day"] < found["arrival_day"]).any(), "no row was late"
    assert found.height == expected.height > 1_000
    assert differing(found, expected, log.dense) == []


def test_another_half_life_and_a_shorter_past_are_found(log: Log, expected: pl.DataFrame, tmp_path: Path) -> None:
    def differing_with(changed: Log) -> list[str]:
        write(POLARS, changed, tmp_path / "rows.parquet")
        return differing(pl.read_parquet(tmp_path / "rows.parquet").sort(KEYS), expected, log.dense)

    slower = replace(log, config=log.config.model_copy(update={"half_life_days": log.config.half_life_days + 0.1}))
    found = differing_with(slower)
    assert found and all("_decayed_" in name for name in found)
    shorter = replace(log, days=replace(log.days, lookback=log.days.lookback - 1))
    assert {"user_7d_count", "video_7d_ratio"} <= set(differing_with(shorter))
