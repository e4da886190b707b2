"""The benchmark of ranking terms: its worlds hold what they say, labels change places inside a day alone, and it runs."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from benchmarks.parts.part import Options
from benchmarks.within_user.planted import run
from benchmarks.within_user.world import DAYS, World, planted_log

WORLD = World(users=30, videos=40, rows=8, daily=False)
DAY = pl.col("time_ms") // 86_400_000


def test_users_come_once_or_every_day(tmp_path: Path) -> None:
    for daily, days in ((False, 1), (True, DAYS)):
        world = World(users=30, videos=40, rows=8, daily=daily)
        log = pl.read_parquet(planted_log(tmp_path / "log.parquet", world)).with_columns(day=DAY)
        of_user = log.group_by("user").agg(pl.col("day").n_unique(), pl.len())
        assert set(of_user["day"]) == {days}
        assert set(of_user["len"]) == {8 * days}
        assert log.select("user", "day", "video").is_duplicated().sum() == 0


def test_most_of_a_watch_time_is_the_users(tmp_path: Path) -> None:
    log = pl.read_parquet(planted_log(tmp_path / "log.parquet", WORLD))
    of_users = log.group_by("user").agg(pl.col("watch_s").mean(), pl.col("watch_s").var().alias("inside"))
    assert of_users["watch_s"].var() > 3 * of_users["inside"].mean()
    assert log["watch_s"].is_between(0, 30).all()


def test_permuted_labels_stay_in_their_day_and_lose_their_video(tmp_path: Path) -> None:
    plain, permuted = (
        pl.read_parquet(planted_log(tmp_path / f"{name}.parquet", WORLD, permuted=name == "permuted"))
        for name in ("plain", "permuted")
    )
    of_day = [
        log.group_by("user", DAY.alias("day")).agg(pl.col("watch_s").sort()).sort("user", "day")
        for log in (plain, permuted)
    ]
    assert of_day[0].equals(of_day[1])
    assert [spread_between_videos(log) > 1.2 for log in (plain, permuted)] == [True, False]


def spread_between_videos(log: pl.DataFrame) -> float:
    """Return the variance of videos' means inside lists over what chance gives."""
    inside = log.with_columns(gap=pl.col("watch_s") - pl.col("watch_s").mean().over("user"))
    of_video = inside.group_by("video").agg(pl.col("gap").mean(), pl.len())
    return float(np.average(of_video["gap"] ** 2 * of_video["len"]) / inside["gap"].var())


@pytest.mark.slow
def test_a_quick_run_measures_every_arm(tmp_path: Path) -> None:
    (table,) = run(Options(Path("no data"), (0, 1), tmp_path, quick=True))
    assert [row[0] for row in table.rows] == ["point loss", "point loss, lists kept together", "pairs, 0.1"]
    shares = [arm["share"] for arm in table.numbers.values()]
    assert np.isnan(shares[:2]).all()
    assert shares[2] == pytest.approx(0.1 / 1.1, rel=0.05)
    assert all(0.4 < arm["xgauc"]["value"] < 0.9 for arm in table.numbers.values())
