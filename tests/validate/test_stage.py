"""The stage as a pure function of its inputs: complete, repeatable, incremental, and silent about nothing."""

import datetime as dt
import itertools
import json
import shutil
from pathlib import Path

import polars as pl
import pytest

from tasks.core.cluster import LocalCluster
from tasks.core.contract import polars_schema
from tasks.core.days import Days
from tasks.core.files import read_json
from tasks.core.layout import partition, partition_days
from tasks.validate.chunks import read_whole_groups
from tasks.validate.config import RowRulesConfig, TableRulesConfig, ValidationConfig
from tasks.validate.partitions import plan, stored_manifest
from tasks.validate.raw import read_raw
from tasks.validate.stage import validate
from tests.validate.by_hand import DAYS, FIRST, HOUR, RawFolder, clean_day, sorted_rows, start_of, tree

JUDGE = DAYS.judge[-1]
DAY = dt.timedelta(days=1)
CONFIG = ValidationConfig()


def spoil(raw: RawFolder, day: dt.date, column: str, value: object, rows: int = 5) -> None:
    raw.change(
        day,
        lambda frame: sorted_rows(
            frame.with_columns(
                pl.when(pl.int_range(pl.len()).is_between(100, 99 + rows))
                .then(pl.lit(value, dtype=frame.schema[column]))
                .otherwise(column)
                .alias(column)
            )
        ),
    )


def test_clean_rows_come_out_as_they_went_in(raw: RawFolder, out: Path, earlier: dict[str, bytes]) -> None:
    for day in DAYS.read:
        kept = pl.read_parquet(partition(out / "impressions", day))
        assert kept.equals(raw.frames[day])
        assert dict(kept.schema) == polars_schema("impressions")
        assert pl.read_parquet(partition(out / "quarantine", day)).columns == [*kept.columns, "reason", "reasons"]
    assert read_json(out / "source.json")["timezone"] == "Asia/Shanghai"
    assert sorted(path.name for path in out.iterdir()) == [
        "docs", "impressions", "quarantine", "results", "source.json", "summary.json", "users.parquet", "videos.parquet",
    ]  # fmt: skip
    assert all(day["verdicts"]["failed"] == 0 for day in read_json(out / "summary.json")["days"])


@pytest.mark.slow
def test_a_dask_cluster_gives_the_same_bytes(raw: RawFolder, earlier: dict[str, bytes], tmp_path: Path) -> None:
    validate(raw.path, CONFIG, DAYS, tmp_path / "dask", LocalCluster(workers=2))
    assert tree(tmp_path / "dask") == earlier


@pytest.mark.slow
def test_the_same_inputs_give_the_same_bytes_at_another_place(
    raw: RawFolder, earlier: dict[str, bytes], tmp_path: Path
) -> None:
    elsewhere = tmp_path / "else where's"
    shutil.copytree(raw.path, elsewhere / "raw")
    validate(elsewhere / "raw", CONFIG, DAYS, elsewhere / "validated")
    assert tree(elsewhere / "validated") == earlier
    assert not any(str(tmp_path).encode() in content for content in earlier.values())


@pytest.mark.slow
def test_nothing_new_reuses_every_day(raw: RawFolder, out: Path, earlier: dict[str, bytes]) -> None:
    result = validate(raw.path, CONFIG, DAYS, out)
    assert result.reused == DAYS.read
    assert tree(out) == earlier


@pytest.mark.slow
def test_the_next_night_in_place_equals_a_full_rebuild(raw: RawFolder, out: Path, earlier: dict[str, bytes]) -> None:
    spoil(raw, DAYS.fit[0], "watch_ms", -5)
    raw.put(JUDGE + DAY, clean_day(JUDGE + DAY))
    pl.read_parquet(raw.path / "users.parquet").with_columns(activity=pl.lit("UNKNOWN")).write_parquet(
        raw.path / "users.parquet"
    )
    tomorrow = Days.of_night(JUDGE + DAY, fit_days=2, lookback=2)
    result = validate(raw.path, CONFIG, tomorrow, out)
    assert set(result.reused) == set(tomorrow.read[1:]) - {DAYS.fit[0], DAYS.fit[1], JUDGE + DAY}
    assert partition_days(out / "impressions") == list(tomorrow.read)
    rebuilt = out.with_name("rebuilt")
    validate(raw.path, CONFIG, tomorrow, rebuilt)
    assert tree(out) == tree(rebuilt)


def test_a_changed_limit_reuses_the_partitions(raw: RawFolder, out: Path, earlier: dict[str, bytes]) -> None:
    limits = ValidationConfig(tables=TableRulesConfig(trailing_days=3))
    assert validate(raw.path, limits, DAYS, out).reused == DAYS.read


@pytest.mark.slow
def test_a_changed_row_rule_makes_the_partitions_anew(raw: RawFolder, out: Path, earlier: dict[str, bytes]) -> None:
    tables = read_raw(raw.path, DAYS)
    for rules, reused in ((RowRulesConfig(), True), (RowRulesConfig(max_play_ratio=3), False)):
        assert all((stored_manifest(out, task) is not None) == reused for task in plan(tables, rules))


def test_new_users_do_not_make_old_partitions_anew(raw: RawFolder, out: Path, earlier: dict[str, bytes]) -> None:
    users = pl.DataFrame({"user_id": range(500), "activity": ["low"] * 500})
    users.write_parquet(raw.path / "users.parquet")
    assert validate(raw.path, CONFIG, DAYS, out).reused == DAYS.read


def test_a_damaged_output_partition_is_made_again(raw: RawFolder, out: Path, earlier: dict[str, bytes]) -> None:
    partition(out / "quarantine", JUDGE).unlink()
    partition(out / "impressions", DAYS.validation, "manifest.json").unlink()
    result = validate(raw.path, CONFIG, DAYS, out)
    assert set(DAYS.read) - set(result.reused) == {JUDGE, DAYS.validation}
    assert tree(out) == earlier


@pytest.mark.slow
def test_dirt_is_quarantined_with_its_reason_and_counted(raw: RawFolder, out: Path, earlier: dict[str, bytes]) -> None:
    """The dirt that the simulator throws: every kind is caught by its rule, and every row is somewhere."""
    config = ValidationConfig(rows=RowRulesConfig(known_scenes=(0, 1, 2)))
    start, end = start_of(JUDGE), start_of(JUDGE) + 24 * HOUR
    frame = raw.frames[JUDGE]

    def dirty(first: int, rows: int, **values: object) -> pl.DataFrame:
        return frame[first : first + rows].with_columns(
            pl.lit(value, dtype=frame.schema[name]).alias(name) for name, value in values.items()
        )

    late = dirty(60, 6, known_at_ms=start + HOUR).with_columns(event_time_ms=pl.col("event_time_ms") - 24 * HOUR)
    raw.put(
        JUDGE,
        sorted_rows(
            pl.concat(
                [
                    dirty(0, 3, duration_ms=0),
                    dirty(10, 4, watch_ms=-7),
                    dirty(20, 2, like=9),
                    dirty(30, 5, scene=99),
                    dirty(40, 1, event_time_ms=end + HOUR),
                    frame[50:57],
                    late,
                    frame[50:57],
                    frame[70:75].with_columns(watch_ms=pl.col("watch_ms") + 1),
                    frame[70:],
                ]
            )
        ),
    )
    result = validate(raw.path, config, DAYS, out)
    manifest = read_json(partition(out / "impressions", JUDGE, "manifest.json"))
    assert manifest["quarantined"] == {
        "bad_flag": 2,
        "exact_duplicate": 7,
        "future_event": 1,
        "key_duplicate": 5,
        "negative_watch": 4,
        "unknown_scene": 5,
        "zero_duration": 3,
    }
    assert manifest["notes"]["late_row"] == 6
    kept, quarantined = (pl.read_parquet(partition(out / table, JUDGE)) for table in ("impressions", "quarantine"))
    assert manifest["rows_in"] == raw.frames[JUDGE].height == kept.height + quarantined.height
    everything = pl.concat([kept, quarantined.drop("reason", "reasons")])
    assert sorted_rows(everything).equals(sorted_rows(raw.frames[JUDGE]))
    assert result.rows_in == result.rows_out + sum(result.quarantined.values())
    assert sum(result.quarantined.values()) == 27


def test_a_row_delivered_on_two_days_stays_in_the_first(raw: RawFolder, out: Path, earlier: dict[str, bytes]) -> None:
    last = raw.frames[DAYS.validation][-3:]
    raw.change(
        JUDGE, lambda frame: sorted_rows(pl.concat([last.with_columns(known_at_ms=start_of(JUDGE) + HOUR), frame]))
    )
    validate(raw.path, CONFIG, DAYS, out)
    assert read_json(partition(out / "impressions", JUDGE, "manifest.json"))["quarantined"] == {"key_duplicate": 3}
    assert pl.read_parquet(partition(out / "impressions", DAYS.validation)).height == 1500


def test_side_tables_are_mended_and_counted(raw: RawFolder, out: Path, earlier: dict[str, bytes]) -> None:
    levels = ["-124", "0", "1", None] * 50
    pl.DataFrame(
        {"user_id": range(200), "degree": ["UNKNOWN", *["full"] * 199], "is_live_streamer": levels}
    ).write_parquet(raw.path / "users.parquet")
    videos = pl.read_parquet(raw.path / "videos.parquet")
    videos.with_columns(tag=pl.when(pl.col("video_id") < 9).then(pl.lit("3,12")).otherwise("tag")).write_parquet(
        raw.path / "videos.parquet"
    )
    validate(raw.path, CONFIG, DAYS, out)
    users = pl.read_parquet(out / "users.parquet")
    assert users["is_live_streamer"].to_list()[:4] == ["unknown", "0", "1", None]
    assert users["degree"].to_list()[:2] == ["unknown", "full"]
    assert pl.read_parquet(out / "videos.parquet")["tag"][0] == "3,12"
    found = {name: side["found"] for name, side in read_json(out / "summary.json")["side_tables"].items()}
    assert found["users"] == {
        "sentinel": {"is_live_streamer": 50},
        "unknown_level": {"degree": 1},
        "null_level": {"is_live_streamer": 50},
    }
    assert found["videos"] == {"joined_tags": {"tag": 9}}


@pytest.mark.slow
def test_the_source_may_list_its_scenes(raw: RawFolder, out: Path, earlier: dict[str, bytes]) -> None:
    (raw.path / "source.json").write_text(json.dumps({"timezone": "Asia/Shanghai", "scenes": [0, 1, 2]}))
    spoil(raw, JUDGE, "scene", 99)
    result = validate(raw.path, CONFIG, DAYS, out)
    assert result.quarantined == {"unknown_scene": 5}
    assert read_json(out / "summary.json")["passed"]


@pytest.mark.slow
def test_lookback_days_before_the_source_began_are_not_asked_for(tmp_path: Path, out: Path) -> None:
    raw = RawFolder(tmp_path / "data/raw").write(first=FIRST + 2 * DAY)
    source = json.loads((raw.path / "source.json").read_text())
    (raw.path / "source.json").write_text(json.dumps({**source, "first_day": str(FIRST + 2 * DAY)}))
    assert validate(raw.path, CONFIG, DAYS, out).days == DAYS.read[2:]


def test_chunked_and_whole_reading_give_the_same_rows(raw: RawFolder, tmp_path: Path) -> None:
    frame = raw.frames[JUDGE].with_columns(event_time_ms=pl.col("event_time_ms") // 1_000_000 * 1_000_000)
    frame.write_parquet(tmp_path / "tied.parquet")
    chunks = list(read_whole_groups(tmp_path / "tied.parquet", "event_time_ms", rows=97))
    assert len(chunks) > 10
    assert pl.concat(chunks).equals(frame)
    assert all(a["event_time_ms"][-1] != b["event_time_ms"][0] for a, b in itertools.pairwise(chunks))


@pytest.mark.slow
@pytest.mark.parametrize("table", ["users", "videos"])
def test_a_category_may_have_any_name(raw: RawFolder, out: Path, earlier: dict[str, bytes], table: str) -> None:
    names = ["content", "user's city", "{x}", 'a "b"', "{batch}", "$y", "drop; --"]
    path = raw.path / f"{table}.parquet"
    pl.read_parquet(path).with_columns(pl.lit("c").alias(name) for name in names).write_parquet(path)
    assert validate(raw.path, CONFIG, DAYS, out).warnings == ()
    assert set(names) < set(pl.read_parquet_schema(out / path.name))
