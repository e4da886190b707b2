"""The plans stream: Polars falls back to memory silently, and then memory would grow with the number of rows."""

from collections.abc import Callable
from pathlib import Path
from typing import get_args

import polars as pl
import pyarrow.parquet as pq
import pytest

from tasks.core.cluster import NoCluster
from tasks.core.days import Days
from tasks.core.layout import partition
from tasks.features import daily, events, recency, rows, state
from tasks.features.build import build_features
from tasks.features.config import FeatureConfig, FeatureGroup, Recency
from tasks.features.join import State, join_features

CONFIG = FeatureConfig(
    groups={
        "user": FeatureGroup(keys=("user_id",), windows=(1, "decayed")),
        "video": FeatureGroup(keys=("video_id",)),
        "user_tag": FeatureGroup(keys=("user_id", "tag"), recency=get_args(Recency)),
    },
    tags="each",
)


@pytest.fixture(scope="module")
def features(tmp_path_factory: pytest.TempPathFactory, validated: Path, days: Days) -> Path:
    return build_features(validated, CONFIG, days, tmp_path_factory.mktemp("features"), NoCluster()).folder


def _falls_back(plan: pl.LazyFrame) -> bool:
    drawn = plan.show_graph(engine="streaming", plan_stage="physical", raw_output=True)
    assert drawn is not None and "parquet" in drawn
    return "in-memory-map" in drawn


def _sources(validated: Path, features: Path, days: Days) -> events.Sources:
    impressions = partition(validated / "impressions", days.judge[0])
    return events.Sources(impressions, features / "users.parquet", features / "videos.parquet", "Asia/Shanghai")


@pytest.mark.slow
def test_daily_sums_stream(validated: Path, features: Path, days: Days) -> None:
    sources = _sources(validated, features, days)
    scanned = events.scan_events(sources.impressions, sources.videos)
    measured = events.with_measures(scanned, events.watch_percentiles(scanned).lazy())
    assert not _falls_back(measured)
    assert not _falls_back(recency.events(measured))
    plans = [daily.group_sums(measured, group, "each", recency.events(measured)) for group in CONFIG.groups.values()]
    assert not any(_falls_back(plan) for plan in plans)
    # the check can fail
    assert _falls_back(measured.group_by("user_id").agg(pl.col("watch").quantile(0.5)))


@pytest.mark.slow
def test_rows_stream(validated: Path, features: Path, days: Days) -> None:
    day = days.judge[0]
    state = State.scan(features, day, CONFIG)
    scanned = events.scan_events(_sources(validated, features, days).impressions, features / "videos.parquet")
    plan = scanned.drop("author_id", "music_id", "tag", "duration_bucket")
    assert not _falls_back(scanned)
    assert not _falls_back(join_features(plan, state, CONFIG, "Asia/Shanghai"))


@pytest.mark.slow
def test_blocks_of_rows_do_not_show(
    tmp_path: Path, validated: Path, features: Path, days: Days, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rows, "ROW_GROUP", 7)
    out = build_features(validated, CONFIG, days, tmp_path / "blocks", NoCluster()).folder
    for day in days.modelled:
        small, whole = (partition(root / "rows", day) for root in (out, features))
        assert pl.read_parquet(small).equals(pl.read_parquet(whole))
        assert pq.ParquetFile(small).num_row_groups > 10


def test_state_sums_stream(features: Path, days: Days, monkeypatch: pytest.MonkeyPatch) -> None:
    plans: list[pl.LazyFrame] = []
    collect: Callable[..., pl.DataFrame] = pl.LazyFrame.collect

    def record(self: pl.LazyFrame, **options: object) -> pl.DataFrame:
        plans.append(self)
        return collect(self, **options)

    monkeypatch.setattr(pl.LazyFrame, "collect", record)
    folders = tuple(partition(features / "daily", day).parent for day in days.modelled[:3])
    past = state.Past(folders, (3, 2, 1), 2.0)
    for name, group in CONFIG.groups.items():
        tags = state._joined_tags(features / "videos.parquet") if "tag" in group.keys else None
        state.sum_windows([folder / f"{name}.parquet" for folder in folders], past, group, tags)
    monkeypatch.undo()
    assert len(plans) == len(CONFIG.groups)
    assert not any(_falls_back(plan) for plan in plans)
