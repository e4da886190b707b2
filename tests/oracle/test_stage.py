"""The oracle stage on a source that knows none, and the rows it exposes on one that does."""

import datetime as dt
import json
from pathlib import Path

import polars as pl
import pytest

from tasks.core.cluster import NoCluster
from tasks.core.days import Days
from tasks.core.files import read_json
from tasks.evaluate.config import EvaluationConfig
from tasks.evaluate.night import MeasuredNight
from tasks.features.build import build_features
from tasks.features.config import FeatureConfig, FeatureGroup
from tasks.ingest.config import KuaiRandConfig
from tasks.oracle.experiment import exposed_rows
from tasks.oracle.stage import oracle
from tasks.simulate import simulate
from tasks.simulate.config import SimulatorConfig
from tasks.table.source import FeatureFolder

WORLD = SimulatorConfig(users=120, videos=60, new_users_per_day=5, new_videos_per_day=3, impressions_per_day=800)
CONFIG = FeatureConfig(
    groups={name: FeatureGroup(keys=(f"{name}_id",), windows=(1, "decayed")) for name in ("user", "video")}
)
CLEAN = {"dirt_share": 0.0, "duplicate_share": 0.0, "next_day_share": 0.0}
DAYS = Days.of_night(WORLD.start_day + dt.timedelta(days=5), fit_days=2, lookback=2)


@pytest.fixture(scope="module")
def features(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Features of a few clean simulated days."""
    root = tmp_path_factory.mktemp("simulated")
    simulate(WORLD.model_copy(update=CLEAN), DAYS.read, root / "validated")
    (root / "validated/source.json").write_text(json.dumps({"timezone": WORLD.timezone, "name": "simulator"}))
    return build_features(root / "validated", CONFIG, DAYS, root / "features", NoCluster()).folder


@pytest.mark.slow
def test_exposed_rows_have_every_column_of_the_judge_rows(features: Path) -> None:
    rows = exposed_rows(WORLD, features, DAYS, 1000, None)
    judge = pl.read_parquet(FeatureFolder.open(features).rows(DAYS.judge[0]), hive_partitioning=False)
    missing = set(judge.columns) - set(rows.columns) - {"event_day"}
    assert not missing
    assert rows["state_day"].unique().to_list() == list(DAYS.judge)
    assert rows["arrival_day"].unique().to_list() == list(DAYS.judge)
    assert rows.filter(pl.col("is_new_user") == 0).height > 0.5 * rows.height
    assert rows["long_view"].null_count() == 0
    popular = judge.group_by("video_id").agg(pl.first("popularity"))
    both = rows.join(popular, on="video_id", suffix="_judge").filter(pl.col("state_day") == DAYS.judge[0])
    assert both.height > 500
    assert (both["popularity"] == both["popularity_judge"]).all()


def test_durations_that_validation_sets_aside_are_left_out(features: Path) -> None:
    everything = exposed_rows(WORLD, features, DAYS, 1000, None)
    kept = exposed_rows(WORLD, features, DAYS, 1000, (20_000, 60_000))
    assert 0 < kept.height < everything.height
    assert kept["duration_ms"].is_between(20_000, 60_000).all()
    assert kept.height == everything["duration_ms"].is_between(20_000, 60_000).sum()


def test_a_source_without_truth_says_so(tmp_path: Path) -> None:
    source = KuaiRandConfig(kind="kuairand", path="nowhere")
    found = oracle(MeasuredNight(tmp_path, DAYS, EvaluationConfig()), source, {"d2q": tmp_path}, None, tmp_path / "out")
    assert (found.known, found.rows, found.models) == (False, 0, ())
    assert read_json(tmp_path / "out/oracle.json") == {"known": False, "rows": 0, "models": []}
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["oracle.json"]
