"""The simulated day of uniform exposure against the simulator's truth and its log."""

import numpy as np
import polars as pl
import pytest
from scipy.stats import chisquare

from tasks.core.contract import polars_schema
from tasks.simulate import expected_watch, simulate
from tasks.simulate.config import SimulatorConfig
from tasks.simulate.experiment import EXPECTED, uniform_impressions

WORLD = SimulatorConfig(users=300, videos=60, new_users_per_day=10, new_videos_per_day=5, impressions_per_day=3000)
DAY = WORLD.start_day


@pytest.fixture(scope="module")
def drawn() -> pl.DataFrame:
    return uniform_impressions(WORLD, DAY, 60_000)


def test_rows_are_those_of_the_contract_and_reproducible(drawn: pl.DataFrame) -> None:
    schema = polars_schema("impressions")
    assert dict(drawn.schema) == {**schema, EXPECTED: pl.Float64()}
    assert drawn.height == pytest.approx(60_000, rel=0.03)
    assert drawn["policy"].unique().to_list() == ["random"]
    assert (drawn["known_at_ms"] > drawn["event_time_ms"]).all()
    assert drawn["event_time_ms"].is_sorted()
    assert drawn.equals(uniform_impressions(WORLD, DAY, 60_000))


def test_videos_come_uniformly_whatever_the_policy_thinks(drawn: pl.DataFrame) -> None:
    counts = drawn["video_id"].value_counts()["count"].to_numpy()
    assert counts.size == WORLD.videos
    assert chisquare(counts).pvalue > 1e-3


def test_expected_seconds_are_the_truth_and_the_mean_of_what_is_watched(drawn: pl.DataFrame) -> None:
    some = drawn.sample(500, seed=1)
    for scene in some["scene"].unique():
        part = some.filter(pl.col("scene") == scene)
        truth = expected_watch(WORLD, DAY, part["user_id"].to_numpy(), part["video_id"].to_numpy(), int(scene))
        np.testing.assert_allclose(part[EXPECTED].to_numpy(), truth, rtol=1e-4, atol=1e-4)
    watched = drawn.select(pl.min_horizontal("watch_ms", "duration_ms") / 1000).to_series().to_numpy()
    error = watched - drawn[EXPECTED].to_numpy()
    assert abs(error.mean()) < 3.5 * error.std() / np.sqrt(error.size)


def test_it_is_not_in_the_log(drawn: pl.DataFrame, tmp_path) -> None:
    simulate(WORLD, [DAY], tmp_path)
    log = pl.read_parquet(tmp_path / "impressions/*/part.parquet", hive_partitioning=False)
    shared = drawn.join(log, on=["user_id", "video_id", "event_time_ms", "watch_ms"], how="semi")
    assert shared.height <= 2


def reweighted_mean(world: SimulatorConfig, folder) -> tuple[float, float]:
    """Return the mean watch time of logged rows weighted by 1 / P(shown), and its standard error."""
    clean = {"dirt_share": 0.0, "duplicate_share": 0.0, "next_day_share": 0.0}
    simulate(world.model_copy(update=clean), [DAY], folder)
    log = pl.read_parquet(folder / "impressions/*/part.parquet", hive_partitioning=False)
    log = log.filter(pl.col("policy") == "standard")
    watched = np.minimum(log["watch_ms"], log["duration_ms"]).to_numpy() / 1000
    weight = 1 / log["exposure_probability"].to_numpy()
    mean = (weight * watched).sum() / weight.sum()
    return mean, np.sqrt(np.square(weight * (watched - mean)).sum()) / weight.sum()


@pytest.mark.parametrize(("rho", "agrees"), [(0.0, True), (0.5, False)])
def test_weights_tell_the_truth_only_where_noise_is_not_correlated(rho: float, agrees: bool, tmp_path) -> None:
    world = WORLD.model_copy(update={"rho": rho, "impressions_per_day": 60_000})
    mean, error = reweighted_mean(world, tmp_path)
    truth = uniform_impressions(world, DAY, 60_000)[EXPECTED]
    distance = abs(mean - truth.mean()) / np.hypot(error, truth.std() / np.sqrt(truth.len()))
    assert distance < 4 if agrees else distance > 10
