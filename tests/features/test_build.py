"""Law 1 for the features stage: re-used partitions, driver and order of work never show in the bytes."""

import datetime as dt
import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import get_args

import polars as pl
import pytest

from tasks.core.cluster import LocalCluster, NoCluster
from tasks.core.days import Days
from tasks.core.errors import ConfigError, ContractError, SourceError
from tasks.core.files import hash_tree, read_json
from tasks.core.layout import partition, partition_days
from tasks.core.temporaries import sweep
from tasks.features import rows
from tasks.features.build import build_features
from tasks.features.config import FeatureConfig, FeatureGroup, Recency

Write = Callable[..., Path]
CONFIG = FeatureConfig(
    groups={
        "user": FeatureGroup(keys=("user_id",), windows=(1, "decayed"), statistics=("percentile", "skip")),
        "video": FeatureGroup(keys=("video_id",), statistics=("ratio",)),
        "user_tag": FeatureGroup(keys=("user_id", "tag"), statistics=("like",), recency=get_args(Recency)),
    },
    tags="each",
)


def _shifted(days: Days, by: int) -> Days:
    step = dt.timedelta(days=by)
    return Days(
        tuple(day + step for day in days.fit),
        days.validation + step,
        tuple(d + step for d in days.judge),
        days.lookback,
    )


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory, validated: Path, days: Days) -> Path:
    return build_features(validated, CONFIG, days, tmp_path_factory.mktemp("full"), NoCluster()).folder


@pytest.mark.slow
def test_the_next_night_reuses_partitions_and_equals_a_full_rebuild(
    tmp_path: Path, write_validated: Write, impressions: pl.DataFrame, validated: Path, days: Days, full: Path
) -> None:
    yesterday = _shifted(days, -1)
    known = impressions.filter(pl.col("arrival") < days.judge[0])
    out = tmp_path / "data/features"
    build_features(write_validated(tmp_path / "yesterday", known), CONFIG, yesterday, out, NoCluster())
    leftover = out / "state" / ".day=2024-03-07.1.tmp"
    leftover.mkdir()
    sweep(tmp_path, alone=True)
    result = build_features(validated, CONFIG, days, out, NoCluster())
    assert hash_tree(out) == hash_tree(full)
    assert result.reused > result.built > 0
    assert not leftover.exists()
    assert partition_days(out / "rows") == list(days.modelled)
    assert build_features(validated, CONFIG, days, out, NoCluster()).built == 0


@pytest.mark.slow
def test_a_corrected_day_is_made_again_with_all_that_depends_on_it(
    tmp_path: Path, write_validated: Write, impressions: pl.DataFrame, validated: Path, days: Days, full: Path
) -> None:
    wrong = impressions.with_columns(
        watch_ms=pl.when(pl.col("arrival") == days.fit[2]).then(pl.col("watch_ms") + 5).otherwise("watch_ms")
    )
    out = tmp_path / "corrected"
    build_features(write_validated(tmp_path / "wrong", wrong), CONFIG, days, out, NoCluster())
    assert hash_tree(out) != hash_tree(full)
    build_features(validated, CONFIG, days, out, NoCluster())
    assert hash_tree(out) == hash_tree(full)


@pytest.mark.slow
def test_a_grown_catalogue_rebuilds_only_what_refers_to_the_change(
    tmp_path: Path, write_validated: Write, impressions: pl.DataFrame, videos: pl.DataFrame, days: Days
) -> None:
    config = CONFIG.model_copy(update={"tags": "joined"})
    out = tmp_path / "grown"
    build_features(write_validated(tmp_path / "v", impressions, videos), config, days, out, NoCluster())
    new = videos.tail(1).with_columns(video_id=pl.lit(999, dtype=pl.Int64))
    grown = write_validated(tmp_path / "v", impressions, pl.concat([videos, new]))
    assert build_features(grown, config, days, out, NoCluster()).built == 0
    retagged = videos.with_columns(tag=pl.when(pl.col("video_id") == 36 - 1).then(pl.lit("9")).otherwise("tag"))
    changed = write_validated(tmp_path / "v", impressions, retagged)
    result = build_features(changed, config, days, out, NoCluster())
    assert result.built > 0
    fresh = build_features(changed, config, days, tmp_path / "fresh", NoCluster()).folder
    assert hash_tree(out) == hash_tree(fresh)


@pytest.mark.slow
def test_another_configuration_equals_a_full_rebuild(tmp_path: Path, validated: Path, days: Days) -> None:
    out = tmp_path / "changed"
    build_features(validated, CONFIG, days, out, NoCluster())
    for update in ({"half_life_days": 1.0, "hour": "logged"}, {"history_length": 3, "user_columns": ("activity",)}):
        config = CONFIG.model_copy(update=update)
        build_features(validated, config, days, out, NoCluster())
        fresh = build_features(validated, config, days, tmp_path / str(update), NoCluster()).folder
        assert hash_tree(out) == hash_tree(fresh), update


@pytest.mark.slow
def test_a_dask_cluster_gives_the_same_bytes(tmp_path: Path, validated: Path, days: Days, full: Path) -> None:
    out = build_features(validated, CONFIG, days, tmp_path / "dask", LocalCluster(workers=2)).folder
    assert hash_tree(out) == hash_tree(full)


@pytest.mark.slow
def test_one_thread_in_another_process_gives_the_same_bytes(
    tmp_path: Path, validated: Path, days: Days, full: Path
) -> None:
    code = (
        "import pickle, sys, pathlib; from tasks.features.build import build_features;"
        "validated, config, days, out, cluster = pickle.load(sys.stdin.buffer);"
        "build_features(validated, config, days, out, cluster)"
    )
    job = pickle.dumps((validated, CONFIG, days, tmp_path / "out", NoCluster()))
    subprocess.run(
        [sys.executable, "-c", code],
        input=job,
        check=True,
        env=os.environ | {"POLARS_MAX_THREADS": "1", "PYTHONPATH": "."},
    )
    assert hash_tree(tmp_path / "out") == hash_tree(full)


def test_schema_names_every_column_of_the_rows(full: Path, days: Days) -> None:
    schema = read_json(full / "schema.json")
    table = pl.read_parquet(partition(full / "rows", days.judge[0]))
    categorical = [column["name"] for column in schema["categorical"]]
    named = [
        *schema["keys"],
        *categorical,
        *schema["measures"],
        *schema["labels"],
        *schema["exposure"],
        *schema["dense"],
    ]
    assert sorted(set(named)) == sorted(table.columns)
    assert {"user_type", "video_type", "activity"} <= set(categorical)
    assert all(table.schema[name] == pl.Float32 for name in schema["dense"])
    assert all(table.schema[name] == pl.Int8 for name in schema["labels"])
    assert table.equals(table.sort("event_time_ms", "user_id", "video_id", "known_at_ms"))
    assert read_json(full / "source.json")["timezone"] == schema["timezone"]


@pytest.mark.slow
def test_the_logged_hour_is_the_hour_before_known_at(tmp_path: Path, validated: Path, days: Days, full: Path) -> None:
    logged = build_features(
        validated, CONFIG.model_copy(update={"hour": "logged"}), days, tmp_path / "out", NoCluster()
    ).folder
    for root, column, offset in ((full, "event_time_ms", 0), (logged, "known_at_ms", -1)):
        table = pl.read_parquet(partition(root / "rows", days.judge[0]))
        local_hour = (table[column] // 3_600_000 + 8 + offset) % 24  # Shanghai is UTC+8 all year
        assert table["hour"].cast(pl.Int64).equals(local_hour.alias("hour"))


def test_a_missing_day_is_named(tmp_path: Path, write_validated: Write, impressions: pl.DataFrame, days: Days) -> None:
    gap = write_validated(tmp_path / "gap", impressions.filter(pl.col("arrival") != days.validation))
    with pytest.raises(SourceError, match=rf"no partition for {days.validation}: run ingest and validate"):
        build_features(gap, CONFIG, days, tmp_path / "out", NoCluster())


def test_days_before_the_source_begins_are_simply_unknown(
    tmp_path: Path, write_validated: Write, impressions: pl.DataFrame, days: Days
) -> None:
    short = write_validated(tmp_path / "short", impressions.filter(pl.col("arrival") >= days.fit[0]))
    out = build_features(short, CONFIG, days, tmp_path / "out", NoCluster()).folder
    first = pl.read_parquet(partition(out / "rows", days.fit[0]))
    assert first.select(pl.col("is_new_user", "is_new_video").min()).row(0) == (1, 1)
    assert first["user_1d_percentile"].unique().to_list() == [0.5]


def test_a_repeated_key_in_a_side_table_is_refused(
    tmp_path: Path, write_validated: Write, impressions: pl.DataFrame, videos: pl.DataFrame, days: Days
) -> None:
    twice = write_validated(tmp_path / "twice", impressions, pl.concat([videos, videos.head(2)]))
    with pytest.raises(ContractError, match="video_id must be unique, but 2 rows repeat one"):
        build_features(twice, CONFIG, days, tmp_path / "out", NoCluster())


def test_an_unknown_side_column_is_named(tmp_path: Path, validated: Path, days: Days) -> None:
    config = CONFIG.model_copy(update={"user_columns": ("activty",)})
    with pytest.raises(
        ConfigError, match=r"features\.user_columns: no String column activty \(valid: activity, type\)"
    ):
        build_features(validated, config, days, tmp_path / "out", NoCluster())


@pytest.mark.slow
def test_a_crash_leaves_no_half_partition(
    tmp_path: Path, validated: Path, days: Days, full: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "crashed"
    write, calls = rows._write_blocks, []

    def fail_on_third(task: rows.RowsTask, part: Path) -> int:
        calls.append(task)
        count = write(task, part)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return count

    monkeypatch.setattr(rows, "_write_blocks", fail_on_third)
    with pytest.raises(KeyboardInterrupt):
        build_features(validated, CONFIG, days, out, NoCluster())
    assert len(partition_days(out / "rows")) == 2
    monkeypatch.undo()
    build_features(validated, CONFIG, days, out, NoCluster())
    assert hash_tree(out) == hash_tree(full)
