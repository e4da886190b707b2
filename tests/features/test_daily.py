"""Daily sums against a brute-force twin in plain Python."""

import datetime as dt
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from tasks.core.cluster import NoCluster
from tasks.core.days import Days, midnight_ms
from tasks.core.errors import ContractError
from tasks.core.files import read_json
from tasks.core.layout import partition
from tasks.features.build import build_features
from tasks.features.config import FeatureConfig, FeatureGroup
from tasks.features.daily import group_sums
from tasks.features.events import scan_events, watch_percentiles, with_measures

DAY = dt.date(2024, 3, 5)


@pytest.fixture
def measured(validated: Path) -> pl.LazyFrame:
    scanned = scan_events(partition(validated / "impressions", DAY), validated / "videos.parquet")
    return with_measures(scanned, watch_percentiles(scanned).lazy())


def test_percentile_is_the_mid_rank_ecdf_within_day_and_duration_bucket(measured: pl.LazyFrame) -> None:
    rows = measured.collect()
    by_bucket = defaultdict(list)
    for bucket, watch in rows.select("duration_bucket", "watch").iter_rows():
        by_bucket[bucket].append(watch)
    for bucket, watch, percentile in rows.select("duration_bucket", "watch", "percentile").iter_rows():
        others = by_bucket[bucket]
        below, not_above = sum(w < watch for w in others), sum(w <= watch for w in others)
        assert percentile / 1e6 == pytest.approx((below + not_above) / 2 / len(others), abs=1e-6)


def test_duration_falls_back_to_the_catalogue_and_rows_without_any_are_dropped(tmp_path: Path, validated: Path) -> None:
    rows = pl.read_parquet(partition(validated / "impressions", DAY)).with_columns(duration_ms=None)
    rows.with_columns(pl.col("duration_ms").cast(pl.Int64)).write_parquet(tmp_path / "part.parquet")
    kept = scan_events(tmp_path / "part.parquet", validated / "videos.parquet").collect()
    expected = rows.filter((pl.col("video_id") % 3 != 0) & (pl.col("video_id") < 36))
    assert kept.height == expected.height > 0
    assert kept.select((pl.col("duration_ms") == 9_000 + 1_000 * pl.col("video_id")).all()).item()


def test_sums_per_key_equal_a_python_loop(measured: pl.LazyFrame) -> None:
    group = FeatureGroup(keys=("author_id", "scene"), statistics=("ratio", "percentile", "watch", "skip", "like"))
    rows = measured.collect()
    expected: dict[tuple[int, int], list[int]] = defaultdict(lambda: [0] * 6)
    for row in rows.iter_rows(named=True):
        if row["author_id"] is None:
            continue
        watch = min(row["watch_ms"], row["duration_ms"])
        skipped = int(row["watch_ms"] < min(3_000, row["duration_ms"]))
        values = [1, watch * 10**6 // row["duration_ms"], row["percentile"], watch, skipped, row["like"]]
        cell = expected[row["author_id"], row["scene"]]
        expected[row["author_id"], row["scene"]] = [a + b for a, b in zip(cell, values, strict=True)]
    got = {tuple(row[:2]): list(row[2:]) for row in group_sums(measured, group, "joined").collect().iter_rows()}
    assert got == dict(expected)


def test_each_tag_of_a_list_counts_once(measured: pl.LazyFrame) -> None:
    group = FeatureGroup(keys=("tag",))
    joined = dict(group_sums(measured, group, "joined").collect().select("tag", "n").iter_rows())
    each = dict(group_sums(measured, group, "each").collect().select("tag", "n").iter_rows())
    assert each == {
        "1": joined["1"] + joined["1,3"],
        "2": joined["2"] + joined["2,3"],
        "3": joined["1,3"] + joined["2,3"],
        "7": joined["7"],
    }


@pytest.mark.slow
def test_manifest_counts_rows_in_out_and_dropped(tmp_path: Path, validated: Path, days: Days) -> None:
    out = tmp_path / "features"
    build_features(validated, FeatureConfig(groups=_few()), days, out, NoCluster())
    for kind in ("daily", "rows"):
        manifest = read_json(partition(out / kind, DAY, "manifest.json"))
        assert manifest["rows_in"] == 150
        assert 0 < manifest["dropped"]["no_duration"] == 150 - manifest["rows_out"]


@pytest.mark.slow
def test_a_row_known_after_its_arrival_day_is_refused(
    tmp_path: Path, write_validated: Callable[..., Path], impressions: pl.DataFrame, days: Days
) -> None:
    end = midnight_ms(DAY + dt.timedelta(days=1), "Asia/Shanghai")
    at_end = pl.when(pl.col("arrival") == DAY).then(pl.lit(end)).otherwise("known_at_ms").alias("known_at_ms")
    fine = write_validated(tmp_path / "fine", impressions.with_columns(at_end))
    build_features(fine, FeatureConfig(groups=_few()), days, tmp_path / "out", NoCluster())
    late = impressions.with_columns(at_end).with_columns(
        pl.when(pl.col("arrival") == DAY).then(pl.col("known_at_ms") + 1).otherwise("known_at_ms").alias("known_at_ms")
    )
    broken = write_validated(tmp_path / "broken", late)
    with pytest.raises(
        ContractError, match=r"day=2024-03-05.*150 rows have known_at_ms after the end of their arrival day"
    ):
        build_features(broken, FeatureConfig(groups=_few()), days, tmp_path / "out", NoCluster())


def _few() -> dict[str, FeatureGroup]:
    return {"user": FeatureGroup(keys=("user_id",)), "video": FeatureGroup(keys=("video_id",))}
