"""The real dirt of KuaiRand-Pure, counted: the row counts of the published cleaning steps."""

import datetime as dt
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tasks.core.contract import FLAGS, conform
from tasks.core.days import Days
from tasks.core.files import read_json
from tasks.core.layout import partition
from tasks.validate.config import ValidationConfig
from tasks.validate.stage import validate
from tests.validate.by_hand import HOUR, ZONE, sorted_rows

pytestmark = pytest.mark.slow

DAYS = Days.of_night(dt.date(2022, 5, 4), fit_days=6, lookback=7)


def write_raw(data: Path, raw: Path) -> None:
    """Bring the files to the contract, by hand: what is tested here is validation, not ingest."""
    log = pl.read_csv(data / "log_standard_4_25_to_5_04_pure.csv")
    midnight = pl.col("date").cast(pl.String).str.to_datetime("%Y%m%d").dt.replace_time_zone(ZONE).dt.epoch("ms")
    rows = log.rename(
        {"time_ms": "event_time_ms", "play_time_ms": "watch_ms", "tab": "scene"}
        | {f"is_{flag}": flag for flag in FLAGS}
    ).with_columns(
        known_at_ms=midnight + (pl.col("hourmin") // 100 + 1) * HOUR,
        policy=pl.lit("standard"),
        position=None,
        exposure_probability=None,
    )
    for (date,), part in rows.group_by("date"):
        path = partition(raw / "impressions", dt.datetime.strptime(str(date), "%Y%m%d").date())
        path.parent.mkdir(parents=True)
        sorted_rows(conform(part.lazy(), "impressions", "the log").collect()).write_parquet(path)
    users = pl.read_csv(data / "user_features_pure.csv")
    users.select("user_id", pl.exclude("user_id").cast(pl.String)).write_parquet(raw / "users.parquet")
    videos = pl.read_csv(data / "video_features_basic_pure.csv", infer_schema_length=None)
    videos = videos.with_columns(
        upload_time_ms=pl.col("upload_dt").str.to_datetime("%Y-%m-%d").dt.epoch("ms"),
        duration_ms="video_duration",
        tag=pl.col("tag").cast(pl.String),
    )
    conform(videos.lazy(), "videos", "the catalogue").collect().write_parquet(raw / "videos.parquet")
    (raw / "source.json").write_text(json.dumps({"timezone": ZONE, "first_day": "2022-04-25"}))


@pytest.fixture(scope="module")
def summary(shared_data: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    data = shared_data("KuaiRand-Pure") / "data"
    folder = tmp_path_factory.mktemp("kuairand")
    write_raw(data, folder / "raw")
    validate(folder / "raw", ValidationConfig(), DAYS, folder / "validated")
    found: dict[str, Any] = read_json(folder / "validated/summary.json")
    return found


def test_rows_after_each_step_are_the_published_ones(summary: dict[str, Any]) -> None:
    rows = {step["step"]: step["rows"] for step in summary["cleaning"]}
    assert rows["raw"] == 171_671
    assert rows["key_duplicate"] == 166_932
    assert rows["zero_duration"] == 164_286
    assert rows["duration_range"] == 161_468
    assert list(rows) == ["raw", "exact_duplicate", "key_duplicate", "zero_duration", "duration_range"]


def test_exact_duplicates(summary: dict[str, Any]) -> None:
    """Published: 4,390 over all columns of the log; two more differ only in columns that the contract leaves out."""
    assert summary["cleaning"][1] == {"step": "exact_duplicate", "taken": 4_392, "rows": 171_671 - 4_392}


def test_rows_of_the_reference_split(summary: dict[str, Any]) -> None:
    rows = {day["day"]: day["rows_out"] for day in summary["days"]}
    assert sum(rows[f"2022-04-{day}"] for day in range(25, 30)) == 68_994
    assert rows["2022-04-30"] == 19_700
    assert sum(rows[f"2022-05-0{day}"] for day in range(1, 5)) == 72_774


def test_late_rows(summary: dict[str, Any]) -> None:
    assert sum(day["notes"]["late_row"] for day in summary["days"]) == 1_539
    assert summary["days"][0]["notes"]["late_row"] == 141
    assert sum(day["notes"]["slow_log"] for day in summary["days"]) == 30_039 + 21


def test_side_tables(summary: dict[str, Any]) -> None:
    users, videos = (summary["side_tables"][table] for table in ("users", "videos"))
    assert (users["rows"], videos["rows"]) == (27_285, 7_583)
    assert users["found"]["sentinel"]["is_live_streamer"] / users["rows"] == pytest.approx(0.77, abs=0.01)
    assert set(users["found"]["null_level"]) == {"onehot_feat4", *(f"onehot_feat{i}" for i in range(12, 18))}
    assert users["found"]["unknown_level"] == {"user_active_degree": 6}
    assert videos["found"]["joined_tags"]["tag"] == 1_791


def test_no_rule_stops_or_warns_about_real_days(summary: dict[str, Any]) -> None:
    assert [day["problems"] for day in summary["days"]] == [[]] * 10
