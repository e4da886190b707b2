"""States, histories and rows against brute force over the raw impressions."""

import datetime as dt
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tasks.core.cluster import NoCluster
from tasks.core.days import Days, midnight_ms
from tasks.core.errors import ConfigError
from tasks.core.layout import partition, partition_days
from tasks.features.build import build_features
from tasks.features.config import FeatureConfig, FeatureGroup
from tasks.features.events import scan_events, watch_percentiles, with_measures
from tasks.features.history import FEEDBACK
from tasks.features.state import Past, sum_windows

TIMEZONE = "Asia/Shanghai"
HALF_LIFE, STRENGTH = 1.5, 4.0
CONFIG = FeatureConfig(
    groups={
        "user": FeatureGroup(
            keys=("user_id",), windows=(1, 3, "decayed"), statistics=("percentile", "skip"), prior_strength=STRENGTH
        ),
        "video": FeatureGroup(
            keys=("video_id",), windows=(1, "decayed"), statistics=("ratio",), prior_strength=STRENGTH
        ),
        "tag": FeatureGroup(keys=("tag",), windows=(3,), statistics=("watch",), prior_strength=STRENGTH),
        "user_scene": FeatureGroup(
            keys=("user_id", "scene"), windows=(3,), statistics=("like",), prior_strength=STRENGTH
        ),
    },
    half_life_days=HALF_LIFE,
    history_length=5,
)
UNIT = {"ratio": 1e6, "percentile": 1e6, "watch": 1e3}


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory, validated: Path, days: Days) -> Path:
    return build_features(validated, CONFIG, days, tmp_path_factory.mktemp("features"), NoCluster()).folder


@pytest.fixture(scope="module")
def past(validated: Path) -> pl.DataFrame:
    """Every impression with its measures and arrival day."""
    parts = []
    for day in partition_days(validated / "impressions"):
        scanned = scan_events(partition(validated / "impressions", day), validated / "videos.parquet")
        parts.append(
            with_measures(scanned, watch_percentiles(scanned).lazy()).collect().with_columns(arrival=pl.lit(day))
        )
    return pl.concat(parts)


def _rows(out: Path, day: dt.date) -> pl.DataFrame:
    return pl.read_parquet(partition(out / "rows", day))


def _mean(past: pl.DataFrame, keys: dict[str, Any], state: dt.date, window: Any, statistic: str) -> tuple[float, float]:
    """Return count and shrunken mean by the definition."""

    def weighted(rows: pl.DataFrame) -> tuple[float, float]:
        count = total = 0.0
        for arrival, value in rows.select("arrival", statistic).iter_rows():
            age = (state - arrival).days
            weight = 0.5 ** (age / HALF_LIFE) if window == "decayed" else float(age <= window)
            count, total = count + weight, total + weight * value / UNIT.get(statistic, 1.0)
        return count, total

    usable = past.filter((pl.col("arrival") < state) & (pl.col("arrival") >= state - dt.timedelta(days=3)))
    count, total = weighted(
        usable.filter(*(pl.col(key).eq(pl.lit(value, usable[key].dtype)) for key, value in keys.items()))
    )
    all_count, all_total = weighted(usable)
    prior = all_total / all_count
    return count, (total + STRENGTH * prior) / (count + STRENGTH)


def _samples(rows: pl.DataFrame) -> Iterator[dict[str, Any]]:
    late = rows.filter(pl.col("event_day") < pl.col("arrival_day"))
    assert late.height > 0
    yield from pl.concat([rows.sample(25, seed=1), late.head(5)]).iter_rows(named=True)


@pytest.mark.slow
def test_every_aggregate_equals_its_definition(out: Path, past: pl.DataFrame, days: Days) -> None:
    for day in (days.fit[1], days.judge[0]):
        for row in _samples(_rows(out, day)):
            assert row["state_day"] == min(row["event_day"], day)
            for name, group in CONFIG.groups.items():
                keys = {key: row[key] for key in group.keys}
                for window in group.windows:
                    for statistic in group.statistics:
                        prefix = f"{name}_{window if window == 'decayed' else f'{window}d'}"
                        count, mean = _mean(past, keys, row["state_day"], window, statistic)
                        assert row[f"{prefix}_count"] == pytest.approx(math.log1p(count), abs=1e-5)
                        assert row[f"{prefix}_{statistic}"] == pytest.approx(mean, rel=1e-5, abs=1e-5)


@pytest.mark.slow
def test_popularity_and_new_ids(out: Path, past: pl.DataFrame, days: Days) -> None:
    rows = _rows(out, days.judge[0])
    assert 0 < rows["is_new_video"].sum() < rows.height
    for row in _samples(rows):
        since = row["state_day"] - dt.timedelta(days=3)
        known = past.filter(pl.col("arrival") < row["state_day"], pl.col("arrival") >= since)
        shown = known.filter(pl.col("video_id") == row["video_id"]).height
        assert row["popularity"] == shown
        assert row["is_new_video"] == (shown == 0)
        assert row["is_new_user"] == (known.filter(pl.col("user_id") == row["user_id"]).height == 0)


def test_history_is_the_last_events_known_before_the_day(out: Path, past: pl.DataFrame, days: Days) -> None:
    day = days.serve
    history = pl.read_parquet(out / "history" / f"day={day}.parquet")
    known = past.filter(pl.col("arrival") < day, pl.col("arrival") >= day - dt.timedelta(days=3))
    assert history["user_id"].to_list() == sorted(known["user_id"].unique())
    for row in history.iter_rows(named=True):
        events = (
            known.filter(pl.col("user_id") == row["user_id"]).sort("event_time_ms", "video_id", "known_at_ms").tail(5)
        )
        for column in ("event_time_ms", "video_id", "author_id", "tag", "scene"):
            assert row[column] == events[column].to_list()
        gaps = [midnight_ms(day, TIMEZONE) - time for time in row["event_time_ms"]]
        assert all(earlier >= later for earlier, later in zip(row["gap_bucket"], row["gap_bucket"][1:], strict=False))
        assert all(1 <= code <= 16 for code in row["gap_bucket"]) and min(gaps) >= 0
        for code, event in zip(row["feedback"], events.iter_rows(named=True), strict=True):
            assert FEEDBACK[code - 1] == _feedback(event)
        assert [ratio >= 7 for ratio in row["ratio_bucket"]] == [bool(x) for x in events["finish"]]


def _feedback(event: dict[str, Any]) -> str:
    name = "skip" if event["skip"] else "neutral"
    for candidate, column in (
        ("valid", "valid_play"),
        ("long", "long_view"),
        ("finish", "finish"),
        ("liked", "like"),
        ("hated", "hate"),
    ):
        name = candidate if event[column] else name
    return name


def test_an_unseen_key_gets_count_zero_and_the_prior(out: Path, past: pl.DataFrame, days: Days) -> None:
    rows = _rows(out, days.judge[0]).filter(pl.col("is_new_video") == 1)
    for row in rows.iter_rows(named=True):
        _, prior = _mean(past, {"video_id": -1}, row["state_day"], 1, "ratio")
        assert row["video_1d_count"] == 0
        assert row["video_1d_ratio"] == pytest.approx(prior, rel=1e-5)


def test_no_dense_value_is_missing(out: Path, days: Days) -> None:
    for day in days.modelled:
        dense = _rows(out, day).select(pl.col(pl.Float32))
        assert dense.width == 4 + 3 * 3 + 2 * 2 + 2 + 2
        assert dense.select(pl.all_horizontal(pl.all().is_finite().all())).item()


def test_frozen_days_read_the_state_of_the_first_of_them(tmp_path: Path, validated: Path, days: Days) -> None:
    frozen = Days(days.fit[:2], days.fit[2], (days.validation, *days.judge), days.lookback, frozen_from=days.validation)
    out = build_features(validated, CONFIG, frozen, tmp_path / "frozen", NoCluster()).folder
    assert max(partition_days(out / "state")) == days.validation
    assert _rows(out, days.judge[0])["state_day"].max() == days.validation


@pytest.mark.slow
def test_pooled_tags_are_the_union_of_their_impressions(
    tmp_path: Path, validated: Path, days: Days, past: pl.DataFrame
) -> None:
    config = CONFIG.model_copy(update={"tags": "each"})
    out = build_features(validated, config, days, tmp_path / "each", NoCluster()).folder
    known = past.filter(pl.col("arrival") < days.serve, pl.col("arrival") >= days.serve - dt.timedelta(days=3))
    state = pl.read_parquet(out / "state" / f"day={days.serve}" / "tag.parquet")
    counts = dict(state.select("tag", "tag_3d_count").iter_rows())
    single = {tag: known.filter(pl.col("tag").str.split(",").list.contains(tag)).height for tag in "1237"}
    for tag in ("1", "2", "1,3", "2,3", "7"):
        assert counts[tag] == pytest.approx(math.log1p(sum(single[part] for part in tag.split(","))), rel=1e-6)


def test_a_window_longer_than_the_lookback_is_refused(tmp_path: Path, validated: Path, days: Days) -> None:
    with pytest.raises(
        ConfigError, match=r"features\.groups\.user\.windows: 7 days is longer than the lookback of 3 days"
    ):
        build_features(validated, FeatureConfig(), days, tmp_path / "out", NoCluster())


def test_decayed_sums_do_not_overflow(tmp_path: Path) -> None:
    group = FeatureGroup(keys=("scene",), statistics=("ratio",))
    pl.DataFrame({"scene": [1], "n": [10**9], "ratio": [10**15]}, schema_overrides={"scene": pl.Int16}).write_parquet(
        tmp_path / "scene.parquet"
    )
    sums = sum_windows([tmp_path / "scene.parquet"] * 2, Past((tmp_path,) * 2, (2, 1), 1.0), group)
    assert sums["decayed_ratio"].item() == 10**15 * (2**18 + 2**19)
