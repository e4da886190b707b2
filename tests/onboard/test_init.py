"""From files nobody has described to a source that reads them as they are meant."""

import datetime as dt
import gzip
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml

from benchmarks.foreign_log import foreign_log, write
from tasks.config import load_params
from tasks.core.errors import ConfigError, SourceError
from tasks.onboard.init import onboard, plain
from tasks.onboard.init import write as add
from tasks.onboard.synonyms import matches, unit_of

REPOSITORY = Path(__file__).resolve().parents[2]
START = int(dt.datetime(2024, 3, 1, 9, tzinfo=dt.UTC).timestamp())
LOG = pl.DataFrame(
    {
        "uid": [i % 7 + 1 for i in range(60)],
        "item": [i % 11 + 100 for i in range(60)],
        "ts": [START + 600 * i for i in range(60)],
        "dur": [10 + i % 11 for i in range(60)],
        "play": [i % 9 + 1 for i in range(60)],
    }
).rename({"dur": "duration"})


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def times(factor: int) -> pl.DataFrame:
    return LOG.with_columns(pl.col("ts") * factor)


WRITTEN: dict[str, tuple[str, bytes, dict[str, Any]]] = {
    "comma": ("log.csv", LOG.write_csv().encode(), {"time_unit": "s", "duration_unit": "s"}),
    "semicolon, gz": (
        "log.csv.gz", gzip.compress(LOG.write_csv(separator=";").encode()),
        {"delimiter": ";", "time_unit": "s", "duration_unit": "s"},
    ),
    "tab without a suffix that says it": (
        "log.txt", LOG.write_csv(separator="\t").encode(), {"delimiter": "\t", "time_unit": "s", "duration_unit": "s"},
    ),
    "milliseconds": (
        "log.csv", LOG.with_columns(pl.col("ts", "play", "duration") * 1000).write_csv().encode(),
        {"time_unit": "ms", "duration_unit": "ms"},
    ),
    "JSON lines": ("log.jsonl", LOG.write_ndjson().encode(), {"time_unit": "s", "duration_unit": "s"}),
    "GBK": (
        "log.csv", LOG.with_columns(title=pl.lit("音乐")).write_csv().encode("gbk"),
        {"encoding": "gbk", "time_unit": "s", "duration_unit": "s"},
    ),
    "UTF-16": ("log.csv", LOG.write_csv().encode("utf-16"), {"time_unit": "s", "duration_unit": "s"}),
    "UTF-16 without a mark": (
        "log.csv", LOG.write_csv().encode("utf-16-le"), {"encoding": "utf-16-le", "time_unit": "s", "duration_unit": "s"},
    ),
    "markers of no value": (
        "log.csv", LOG.write_csv().replace("101,", "\\N,").encode(),
        {"null_values": ["\\N"], "time_unit": "s", "duration_unit": "s"},
    ),
    "ISO text": (
        "log.csv", LOG.with_columns(pl.from_epoch("ts").dt.to_string("%Y-%m-%dT%H:%M:%S")).write_csv().encode(),
        {"duration_unit": "s"},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", WRITTEN)
def test_how_a_file_is_written_is_found_out(here: Path, name: str) -> None:
    file, content, expected = WRITTEN[name]
    (here / file).write_bytes(content)
    found = onboard(Path(file))
    block = plain(found.proposal.block)["impressions"]
    assert {key: value for key, value in block.items() if key != "columns"} == expected
    assert found.after is not None, found.refused
    first = found.after.row(0, named=True)
    assert (first["user_id"], first["event_time_ms"], first["watch_ms"], first["duration_ms"]) == (
        1, START * 1000, 1000, 10_000
    )  # fmt: skip


@pytest.mark.parametrize(
    "columns",
    [
        ("user_id", "video_id", "timestamp", "duration_ms", "play_time_ms"),
        ("UserId", "itemId", "eventTime", "videoDuration", "watchTime"),
        ("uid", "vid", "ts", "video_length", "dwell_time"),
        ("device_id", "feedid", "date_", "videoplayseconds", "play"),
        ("viewer", "clip id", "started-at", "length_seconds", "watched seconds"),
        ("用户ID", "视频ID", "dt", "length", "stay_time"),
    ],
)
def test_columns_are_known_by_many_names(columns: tuple[str, ...]) -> None:
    wanted = ("user_id", "video_id", "event_time_ms", "duration_ms", "watch_ms")
    found = matches("impressions", [*columns, "country", "app_version"])
    assert {name: found.get(name) for name in wanted} == dict(zip(wanted, columns, strict=True))


@pytest.mark.parametrize(
    ("column", "unit"),
    [("play_ms", "ms"), ("watchSeconds", "s"), ("length_sec", "s"), ("duration", None), ("ms", None)],
)
def test_a_name_may_end_in_its_unit(column: str, unit: str | None) -> None:
    assert unit_of(column) == unit


STAMP = pl.from_epoch("ts")
CLOCKS: dict[str, tuple[pl.DataFrame, Any, str, dict[str, str]]] = {
    "two columns of ISO text": (
        LOG.select(pl.exclude("ts"), date=STAMP.dt.to_string("%Y-%m-%d"), time=STAMP.dt.to_string("%H:%M:%S")),
        ["date", "time"], "UTC", {},
    ),
    "two columns, the time first, the day first of its form": (
        LOG.select(pl.exclude("ts"), clock=STAMP.dt.to_string("%H:%M"), dt=STAMP.dt.to_string("%d/%m/%Y")),
        ["dt", "clock"], "UTC", {"time_format": "%d/%m/%Y %H:%M"},
    ),
    "an offset": (LOG.with_columns(ts=(STAMP + pl.duration(hours=8)).dt.to_string("%Y-%m-%dT%H:%M:%S+08:00")), "ts", "Etc/GMT-8", {}),
    "two offsets": (
        LOG.with_columns(ts=STAMP.dt.to_string("%Y-%m-%dT%H:%M:%S") + pl.Series(["+00:00", "Z"] * 30)), "ts", "UTC", {},
    ),
    "Z": (LOG.with_columns(ts=STAMP.dt.to_string("%Y-%m-%dT%H:%M:%SZ")), "ts", "UTC", {}),
}  # fmt: skip


@pytest.mark.parametrize("name", CLOCKS)
def test_how_a_log_tells_the_time_is_found_out(here: Path, name: str) -> None:
    log, columns, zone, keys = CLOCKS[name]
    log.write_csv("log.csv")
    found = onboard(Path("log.csv"))
    block = plain(found.proposal.block)
    assert block["timezone"] == zone
    assert block["impressions"]["columns"]["event_time_ms"] == columns
    assert {key: value for key, value in block["impressions"].items() if key.startswith("time_")} == keys
    assert found.after is not None, found.refused
    assert found.after["event_time_ms"][0] == START * 1000
    asked = "timezone: UTC is a guess" in "\n".join(found.proposal.questions)
    assert asked == (zone == "UTC"), "what nobody said is asked"


def test_a_folder_of_a_log_and_its_tables(here: Path) -> None:
    for day in range(3):
        folder = here / f"dump/events/day=2024-03-0{day + 1}"
        folder.mkdir(parents=True)
        LOG[day * 20 : day * 20 + 20].write_parquet(folder / "part-0.parquet")
    (here / "dump/events/_SUCCESS").touch()
    pl.DataFrame({"uid": range(1, 8), "city": ["a", "b"] * 3 + ["a"]}).write_csv(here / "dump/users.csv")
    pl.DataFrame({"item": range(100, 111), "author": range(11), "tags": ["x", "y"] * 5 + ["x"]}).write_csv(
        here / "dump/items.csv"
    )
    (here / "dump/broken.parquet").write_bytes(b"PAR1")
    found = onboard(Path("dump"), "Asia/Shanghai")
    block = plain(found.proposal.block)
    assert block["timezone"] == "Asia/Shanghai"
    assert block["impressions"]["files"] == "events/day=*/*.parquet"
    assert block["users"] == {"files": "users.csv", "columns": {"user_id": "uid"}, "categoricals": ["city"]}
    assert block["videos"] == {
        "files": "items.csv",
        "columns": {"video_id": "item", "author_id": "author", "tag": "tags"},
    }
    text = "\n".join(found.lines("mine"))
    assert "not read: dump/broken.parquet: no readable Parquet" in text
    assert "no like column: no like tower" in text and "no users table" not in text
    assert "columns that nothing reads: day" in text


def test_what_is_no_log_is_refused_by_what_it_lacks(here: Path) -> None:
    LOG.drop("play").write_csv("log.csv")
    with pytest.raises(
        SourceError, match=r"no column is known to be watch_ms \(time played.*has uid, item, ts, duration"
    ):
        onboard(Path("log.csv"))
    with pytest.raises(SourceError, match=r"nowhere does not exist"):
        onboard(Path("nowhere"))


def test_scenes_that_are_words_are_numbered_or_left_out(here: Path) -> None:
    LOG.with_columns(page=pl.Series([("home", "search")[i % 2] for i in range(60)])).write_csv("log.csv")
    found = onboard(Path("log.csv"))
    assert found.after is not None and found.after["scene"].null_count() == 0
    assert "search" in str(plain(found.proposal.block)) or "page holds 2 words" in "\n".join(found.proposal.questions)


def test_a_name_and_its_values_may_disagree(here: Path) -> None:
    LOG.rename({"play": "play_ms"}).write_csv("log.csv")
    text = "\n".join(onboard(Path("log.csv")).lines("mine"))
    assert "impressions: play_ms is named as if in ms, and its values look like s" in text


@pytest.mark.parametrize(
    ("said", "is_mark"), [([1, 0], True), ([1, 1], False), ([1, 7], False), (["yes", "no"], False)]
)
def test_a_mark_of_candidates_is_known_by_its_name_and_its_values(
    here: Path, said: list[object], is_mark: bool
) -> None:
    LOG.with_columns(was_shown=pl.Series(said * 30)).write_csv("log.csv")
    found = onboard(Path("log.csv"))
    assert (found.proposal.mapped["impressions"].get("shown") == "was_shown") is is_mark
    assert any("candidates that were not shown" in question for question in found.proposal.questions) is is_mark


@pytest.mark.slow
def test_a_proposal_is_added_and_comments_stay(here: Path) -> None:
    (here / "params.yaml").write_text((REPOSITORY / "params.yaml").read_text())
    write(foreign_log(days=3, rows_per_day=50, viewers=20, clips=10, plain=True), here / "clips.csv.gz")
    found = onboard(Path("clips.csv.gz"))
    assert add(here / "params.yaml", "clips", found.proposal).endswith("`dwell nightly --source clips`")
    text = (here / "params.yaml").read_text()
    before = (REPOSITORY / "params.yaml").read_text().splitlines()
    assert [line for line in text.splitlines() if line in before] == before
    assert "user_id: viewer_id  # such as " in text
    source = load_params(here / "params.yaml").named_source("clips")
    assert source.model_dump(exclude_unset=True) == yaml.safe_load(yaml.safe_dump(plain(found.proposal.block)))
    with pytest.raises(ConfigError, match=r"sources.clips is there already"):
        add(here / "params.yaml", "clips", found.proposal)
    assert (here / "params.yaml").read_text() == text
