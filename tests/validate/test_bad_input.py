"""Bad input: the message says what, where and what to do, and what an earlier run left is untouched."""

import errno
import json
import os
import re
import stat
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from tasks.core.errors import ContractError, DwellError, SourceError, StorageError, ValidationFailed
from tasks.core.files import read_json
from tasks.core.layout import partition
from tasks.validate.chunks import ParquetSink
from tasks.validate.config import Accepted, RowRulesConfig, TableRulesConfig, ValidationConfig
from tasks.validate.stage import validate
from tests.validate.by_hand import DAYS, HOUR, RawFolder, clean_day, start_of, tree

JUDGE = DAYS.judge[-1]
CONFIG = ValidationConfig()


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-200])


def remove_day(raw: RawFolder, day: object) -> None:
    part = raw.part(day)
    part.unlink()
    part.parent.rmdir()


UNREADABLE: dict[str, tuple[Callable[[RawFolder], object], type[DwellError], str]] = {
    "missing column": (lambda raw: raw.change(JUDGE, lambda f: f.drop("watch_ms")), ContractError, "2022-05-01.*column 'watch_ms' is missing"),
    "wrong type": (
        lambda raw: raw.change(JUDGE, lambda f: f.with_columns(pl.col("watch_ms").cast(pl.String))),
        ContractError,
        "column 'watch_ms' is String, the contract says Int64",
    ),
    "column too many": (
        lambda raw: raw.change(JUDGE, lambda f: f.with_columns(mean_watch=0.5)),
        ContractError,
        "column 'mean_watch' of type Float64 is not in the contract",
    ),
    "empty day": (lambda raw: raw.change(JUDGE, lambda f: f.clear()), SourceError, "day 2022-05-01 is empty"),
    "missing judge day": (lambda raw: remove_day(raw, JUDGE), SourceError, "lacks 2022-05-01; .*choose another as_of"),
    "gap": (lambda raw: remove_day(raw, DAYS.fit[0]), SourceError, "lacks 2022-04-28"),
    "day delivered twice": (
        lambda raw: raw.part(JUDGE).write_bytes(raw.part(DAYS.validation).read_bytes()),
        SourceError,
        "days 2022-04-30 and 2022-05-01 hold the very same file",
    ),
    "two files for a day": (
        lambda raw: raw.part(JUDGE).with_name("more.parquet").write_bytes(raw.part(JUDGE).read_bytes()),
        SourceError,
        r"must hold exactly one file part.parquet, found \['more.parquet', 'part.parquet'\]",
    ),
    "folder that is no day": (lambda raw: (raw.path / "impressions/day=May-1").mkdir(), SourceError, "not named day=YYYY-MM-DD"),
    "truncated Parquet": (lambda raw: truncate(raw.part(JUDGE)), SourceError, "2022-05-01/part.parquet is not a readable Parquet file, perhaps truncated"),
    "no Parquet at all": (lambda raw: raw.part(JUDGE).write_text("user_id,video_id\n"), SourceError, "is not a readable Parquet file"),
    "unsorted rows": (lambda raw: raw.change(JUDGE, lambda f: f[::-1]), ContractError, "must be sorted by event time, user and video"),
    "no users": (lambda raw: (raw.path / "users.parquet").unlink(), SourceError, "users.parquet is missing: run the ingest stage"),
    "numeric user feature": (
        lambda raw: pl.DataFrame({"user_id": [1], "age": [33]}).write_parquet(raw.path / "users.parquet"),
        ContractError,
        "column 'age' of type Int64 is not in the contract",
    ),
    "unknown time zone": (
        lambda raw: (raw.path / "source.json").write_text(json.dumps({"timezone": "Mars/Base"})),
        SourceError,
        "valid time zone",
    ),
    "no source.json": (lambda raw: (raw.path / "source.json").unlink(), SourceError, "source.json is missing"),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("kind", UNREADABLE)
def test_what_no_rule_can_read_is_refused(kind: str, raw: RawFolder, out: Path, earlier: dict[str, bytes]) -> None:
    damage, error, message = UNREADABLE[kind]
    damage(raw)
    with pytest.raises(error, match=message):
        validate(raw.path, CONFIG, DAYS, out)
    assert tree(out) == earlier
    assert [path.name for path in out.parent.iterdir() if path.name != "raw"] == ["validated"]


@pytest.mark.slow
def test_damage_in_the_middle_of_a_file_is_found(raw: RawFolder, out: Path, earlier: dict[str, bytes]) -> None:
    raw.put(JUDGE, clean_day(JUDGE, rows=20_000))
    content = bytearray(raw.part(JUDGE).read_bytes())
    content[2_000:60_000] = bytes(58_000)
    raw.part(JUDGE).write_bytes(content)
    with pytest.raises(SourceError, match=r"2022-05-01/part\.parquet is not a readable Parquet file"):
        validate(raw.path, CONFIG, DAYS, out)
    assert tree(out) == earlier


STOPPED: dict[str, tuple[Callable[[pl.DataFrame], pl.DataFrame], ValidationConfig, str]] = {
    "all-null column": (
        lambda f: f.with_columns(scene=pl.lit(None, dtype=pl.Int16())),
        CONFIG,
        r"2022-05-01 all_null_column\(scene\): null in 1,500 of 1,500 rows, expected at least one value; the source lost the column",
    ),
    "optional column gone": (
        lambda f: f.with_columns(position=pl.lit(None, dtype=pl.Int16())),
        CONFIG,
        r"2022-05-01 null_share\(position\): 100.0% null, expected within 30% of the 0.0% of the 5 days before",
    ),
    "volume collapse": (lambda f: f[::10], CONFIG, "2022-05-01 volume: 150 rows, 0.10 times the median of the 5 days before"),
    "volume explosion": (
        lambda f: clean_day(JUDGE, rows=9_000),
        CONFIG,
        "2022-05-01 volume: 9,000 rows, 6.00 times .*expected between 1/5 and 5 times 1,500",
    ),
    "too few rows": (lambda f: f[::20], CONFIG, "2022-05-01 min_rows: 75, expected at least 100 rows"),
    "log that ends early": (
        lambda f: f.filter(pl.col("known_at_ms") <= start_of(JUDGE) + 15 * HOUR),
        CONFIG,
        "2022-05-01 freshness.*: the newest row arrived 9.0 hours before its end, expected a row within the day's last 2 hours",
    ),
    "drift": (
        lambda f: f.with_columns(watch_ms=pl.col("duration_ms") * 3),
        CONFIG,
        r"2022-05-01 drift\(watch\): stability index \d\.\d+ against the 5 days before, expected at most 0.5",
    ),
    "negative watch everywhere": (
        lambda f: f.with_columns(watch_ms=-pl.col("watch_ms") - 1),
        CONFIG,
        r"2022-05-01 quarantined_share: 100.0% of 1,500 rows \(negative_watch 1,500\), expected at most 20.0%",
    ),
    "future timestamps": (
        lambda f: f.with_columns(pl.col("event_time_ms", "known_at_ms") + 24 * HOUR),
        CONFIG,
        r"quarantined_share: 100.0% of 1,500 rows \(future_event 1,500\)",
    ),
    "seconds for milliseconds": (
        lambda f: f.with_columns(pl.col("duration_ms") // 1000),
        CONFIG,
        r"quarantined_share: 100.0% of 1,500 rows \(duration_range 1,500\)",
    ),
    "unknown scene": (
        lambda f: f.with_columns(scene=pl.lit(99, dtype=pl.Int16())),
        ValidationConfig(rows=RowRulesConfig(known_scenes=(0, 1, 2))),
        r"quarantined_share: 100.0% of 1,500 rows \(unknown_scene 1,500\)",
    ),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("kind", STOPPED)
def test_a_table_rule_stops_the_run(kind: str, raw: RawFolder, out: Path, earlier: dict[str, bytes]) -> None:
    spoil, config, message = STOPPED[kind]
    raw.change(JUDGE, spoil)
    with pytest.raises(ValidationFailed, match=message) as caught:
        validate(raw.path, config, DAYS, out)
    assert tree(out) == earlier
    failed = out.with_name("validated.failed")
    assert str(failed) in str(caught.value)
    assert (failed / "docs/index.html").exists()
    summary = read_json(failed / "summary.json")
    assert not summary["passed"]
    assert any(problem["status"] == "failed" for problem in summary["days"][-1]["problems"])
    kept, quarantined = (pl.read_parquet(partition(failed / table, JUDGE)) for table in ("impressions", "quarantine"))
    assert kept.height + quarantined.height == raw.frames[JUDGE].height


def test_every_failing_rule_is_listed(raw: RawFolder, out: Path, earlier: dict[str, bytes]) -> None:
    raw.change(JUDGE, lambda f: f[:60])
    with pytest.raises(ValidationFailed) as caught:
        validate(raw.path, CONFIG, DAYS, out)
    named = set(re.findall(r"2022-05-01 (\w+)", str(caught.value)))
    assert named == {"min_rows", "freshness", "volume"}


def test_repeated_users_stop_the_run(raw: RawFolder, out: Path, earlier: dict[str, bytes]) -> None:
    users = pl.read_parquet(raw.path / "users.parquet")
    pl.concat([users, users[:3]]).write_parquet(raw.path / "users.parquet")
    with pytest.raises(
        ValidationFailed, match=r"users unique_key\(user_id\): 6 of 203 rows differ, expected every user_id once"
    ):
        validate(raw.path, CONFIG, DAYS, out)
    assert tree(out) == earlier


def test_a_feature_without_a_value_stops_the_run(raw: RawFolder, out: Path, earlier: dict[str, bytes]) -> None:
    users = pl.DataFrame({"user_id": range(200), "activity": pl.Series([None] * 200, dtype=pl.String)})
    users.write_parquet(raw.path / "users.parquet")
    with pytest.raises(ValidationFailed, match=r"users all_null_column\(activity\)"):
        validate(raw.path, CONFIG, DAYS, out)
    allowed = ValidationConfig(tables=TableRulesConfig(may_be_null=(*TableRulesConfig().may_be_null, "activity")))
    validate(raw.path, allowed, DAYS, out)


def test_a_day_that_a_person_accepts_passes_and_says_why(raw: RawFolder, out: Path, earlier: dict[str, bytes]) -> None:
    raw.change(JUDGE, lambda f: f[::10])
    accept = Accepted(day=JUDGE, rule="volume", because="the app was down until noon")
    validate(raw.path, ValidationConfig(tables=TableRulesConfig(accept=(accept,))), DAYS, out)
    problems = read_json(out / "summary.json")["days"][-1]["problems"]
    assert [(problem["rule"], problem["status"]) for problem in problems if problem["rule"] == "volume"] == [
        ("volume", "accepted")
    ]
    assert "the app was down until noon" in (out / "docs/2022-05-01.html").read_text()


def test_a_run_that_passes_clears_away_the_failed_one(raw: RawFolder, out: Path, earlier: dict[str, bytes]) -> None:
    good = raw.frames[JUDGE]
    raw.change(JUDGE, lambda f: f[::10])
    with pytest.raises(ValidationFailed):
        validate(raw.path, CONFIG, DAYS, out)
    raw.put(JUDGE, good)
    validate(raw.path, CONFIG, DAYS, out)
    assert not out.with_name("validated.failed").exists()
    assert tree(out) == earlier


def no_space(*_: object, **__: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize("where", ["parquet", "rename"])
def test_a_full_disk_leaves_the_earlier_result(
    where: str, raw: RawFolder, out: Path, earlier: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    raw.change(JUDGE, lambda f: f[:-1])
    target, name = (ParquetSink, "write") if where == "parquet" else (os, "replace")
    monkeypatch.setattr(target, name, no_space)
    with pytest.raises(StorageError, match="the disk is full: free some space and run again"):
        validate(raw.path, CONFIG, DAYS, out)
    assert tree(out) == earlier
    assert not list(out.parent.rglob(".dwell-*"))


@pytest.mark.slow
def test_a_disk_that_fills_up_while_the_result_is_moved_in_heals_on_the_next_run(
    raw: RawFolder, out: Path, earlier: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    raw.change(JUDGE, lambda f: f[:-1])
    replace = os.replace

    def fail_late(source: Path, target: Path) -> None:
        if "docs" in str(target) and out in Path(target).parents:
            no_space()
        replace(source, target)

    with monkeypatch.context() as patched, pytest.raises(StorageError):
        patched.setattr(os, "replace", fail_late)
        validate(raw.path, CONFIG, DAYS, out)
    validate(raw.path, CONFIG, DAYS, out)
    validate(raw.path, CONFIG, DAYS, out.with_name("rebuilt"))
    assert tree(out) == tree(out.with_name("rebuilt"))


def test_an_unwritable_folder_is_named(raw: RawFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    locked = tmp_path / "locked"
    locked.mkdir()
    locked.chmod(stat.S_IRUSR | stat.S_IXUSR)
    if os.access(locked, os.W_OK):  # root may write anywhere: refuse in its place
        mkdir = Path.mkdir

        def refuse(path: Path, *args: object, **kwargs: object) -> None:
            if locked in path.parents:
                raise OSError(errno.EACCES, "Permission denied", str(path))
            mkdir(path, *args, **kwargs)

        monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(StorageError, match=r"could not write .*locked.*: permission denied: make the folder writable"):
        validate(raw.path, CONFIG, DAYS, locked / "validated")
    assert not any(locked.iterdir())


def test_the_raw_folder_is_never_touched(raw: RawFolder, out: Path, earlier: dict[str, bytes]) -> None:
    raw.change(JUDGE, lambda f: f[:-1])
    before = tree(raw.path)
    validate(raw.path, CONFIG, DAYS, out)
    assert tree(raw.path) == before
