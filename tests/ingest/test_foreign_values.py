"""Logs as others write them: every value as it was given, every row somewhere, the same on every day and in every folder."""

import datetime as dt
import hashlib
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from pydantic import ValidationError

from tasks.core.days import Days
from tasks.core.errors import SourceError
from tasks.core.files import hash_tree, read_json
from tasks.core.identities import texts_of
from tasks.ingest import default_as_of, ingest
from tasks.ingest.stage import IngestResult
from tests.ingest.foreign import FIRST, NIGHT, PER_DAY, log, rows_of, source

DAY = dt.timedelta(days=1)
ROW = pl.int_range(pl.len())
AS_TEXT = pl.format("用户 {}/x", "uid").alias("uid")


def run(folder: Path, frame: pl.DataFrame, days: Days = NIGHT, **settings: Any) -> IngestResult:
    """Write a log, ingest it into `folder`/out."""
    frame.write_parquet(folder / "log.parquet")
    return ingest(source(folder, **settings), days, folder / "out")


def plain(folder: Path) -> pl.DataFrame:
    other = folder / "plain"
    other.mkdir()
    run(other, log())
    return rows_of(other / "out")


SAME: dict[str, tuple[pl.Expr | list[pl.Expr], dict[str, Any]]] = {
    "ids as text": (pl.col("uid", "vid").cast(pl.String()), {}),
    "ids as categories": (pl.col("uid", "vid").cast(pl.String()).cast(pl.Categorical()), {}),
    "ids as floats": (pl.col("uid", "vid").cast(pl.Float64()), {}),
    "ids as bytes": (pl.col("uid").cast(pl.String()).cast(pl.Binary()), {}),
    "ids as decimals": (pl.col("uid").cast(pl.Decimal(20, 2)), {}),
    "microseconds": (pl.col("ts") * 1000, {"time_unit": "auto"}),
    "nanoseconds declared": (pl.col("ts") * 1_000_000, {"time_unit": "ns"}),
    "seconds with a fraction": (pl.col("ts") / 1000, {"time_unit": "auto"}),
    "ISO with Z": (pl.from_epoch("ts", "ms").dt.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").alias("ts"), {}),
    "zoned timestamps": (pl.from_epoch("ts", "ms").dt.replace_time_zone("UTC").alias("ts"), {}),
    "date and time": (
        [
            pl.from_epoch("ts", "ms").dt.offset_by("8h").dt.date().alias("day"),
            pl.from_epoch("ts", "ms").dt.offset_by("8h").dt.time().alias("clock"),
        ],
        {"columns": {"event_time_ms": ["day", "clock"]}},
    ),
    "watch as a duration": (pl.duration(milliseconds="play", time_unit="us").alias("play"), {"duration_unit": "ms"}),
    "watch in ms, duration in s": (pl.col("dur") // 1000, {"duration_unit": "s", "watch_unit": "ms"}),
    "both in s": ((pl.col("dur", "play") / 1000), {"duration_unit": "s"}),
    "flags as text": (pl.col("like").cast(pl.Boolean()).cast(pl.String()), {}),
    "flags as yes and no": (pl.when(pl.col("like") == 1).then(pl.lit("yes")).otherwise(pl.lit("no")).alias("like"), {}),
    "scenes by name": (
        pl.col("tab").replace_strict([0, 1, 2], ["home", "search", "user's"]),
        {"scenes": ["home", "search", "user's"]},
    ),
}  # fmt: skip


@pytest.mark.parametrize("form", SAME)
def test_another_form_of_a_log_gives_the_same_rows(tmp_path: Path, form: str) -> None:
    changes, settings = SAME[form]
    run(tmp_path, log().with_columns(changes), **settings)
    assert rows_of(tmp_path / "out").equals(plain(tmp_path))


def test_text_is_kept_from_the_rows_to_the_names(tmp_path: Path) -> None:
    run(tmp_path, log().with_columns(AS_TEXT))
    rows, expected = rows_of(tmp_path / "out"), log().with_columns(AS_TEXT).sort("ts")
    assert (rows["user_id"] < 0).all()
    assert rows["video_id"].to_list() == expected.tail(rows.height)["vid"].to_list()
    names = texts_of(tmp_path / "out/identities", "user_id", rows["user_id"])
    written = rows.join(names, left_on="user_id", right_on="code", how="left", maintain_order="left")["text"]
    assert written.to_list() == expected.tail(rows.height)["uid"].to_list()
    assert set(pl.read_parquet(tmp_path / "out/users.parquet")["user_id"]) == set(rows["user_id"])


def test_codes_and_names_do_not_depend_on_what_was_read_before(tmp_path: Path) -> None:
    """The night after, over the output of the night before, is the night in a fresh folder; only the new day is read."""
    run(tmp_path, log(6).with_columns(AS_TEXT))
    later = Days.of_night(FIRST + 6 * DAY, 2, 2)
    (tmp_path / "log.parquet").unlink()
    for day, part in enumerate(log(7).with_columns(AS_TEXT).iter_slices(PER_DAY)):
        part.write_parquet(tmp_path / f"log-{day}.parquet")
    ingest(source(tmp_path), later, tmp_path / "out")
    for day in (3, 4):
        (tmp_path / f"out/identities/day={FIRST + day * DAY}.parquet").unlink()
    assert ingest(source(tmp_path), later, tmp_path / "out").written == (FIRST + 3 * DAY, FIRST + 4 * DAY)
    ingest(source(tmp_path), later, tmp_path / "fresh")
    assert hash_tree(tmp_path / "out") == hash_tree(tmp_path / "fresh")


def test_two_texts_of_one_code_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A hash of one bit stands for the one of 63, of which nobody has seen two alike."""

    def of_one_bit(text: bytes, **_: Any) -> Any:
        digest = bytes(7) + bytes([2 * (text[-1] & 1)])
        return type("Digest", (), {"digest": lambda self: digest})()

    monkeypatch.setattr(hashlib, "blake2b", of_one_bit)
    with pytest.raises(SourceError, match=r"user_id 'u1' and 'u5' have one code \(-2\)"):
        run(tmp_path, log().with_columns(pl.format("u{}", "uid").alias("uid")))


def test_side_tables_name_their_keys_and_authors(tmp_path: Path) -> None:
    frame = log().with_columns(pl.format("v{}", "vid").alias("vid"))
    pl.DataFrame(
        {"vid": [f"v{n}" for n in range(100, 111)], "by": ["a-1", "7"] * 5 + [None], "t": [["x", "y"]] * 11}
    ).write_parquet(tmp_path / "videos.parquet")
    columns = {"video_id": "vid", "author_id": "by", "tag": "t"}
    run(tmp_path, frame, videos={"files": "videos.parquet", "columns": columns})
    videos = pl.read_parquet(tmp_path / "out/videos.parquet")
    assert set(videos["video_id"]) == set(rows_of(tmp_path / "out")["video_id"])
    authors = texts_of(tmp_path / "out/identities", "author_id", videos["author_id"].drop_nulls())
    assert authors["text"].to_list() == ["a-1"]
    assert set(videos["author_id"]) == {authors["code"][0], 7, None}
    assert set(videos["tag"]) == {"x,y"}


def test_a_clock_that_was_never_set_moves_no_night_and_loses_no_row(tmp_path: Path) -> None:
    late = int(dt.datetime(2099, 6, 1, tzinfo=dt.UTC).timestamp()) * 1000
    frame = log().with_columns(pl.when(ROW == 100).then(0).when(ROW == 50).then(late).otherwise("ts").alias("ts"))
    result = run(tmp_path, frame)
    assert default_as_of(source(tmp_path)) == NIGHT.judge[-1]
    assert result.quarantined == {"implausible_time": 2}
    aside = pl.read_parquet(tmp_path / "out/set_aside.parquet")
    assert aside.select("event_time_ms", "file", "row", "reason").rows() == [
        (late, "log.parquet", 51, "implausible_time"),
        (0, "log.parquet", 101, "implausible_time"),
    ]
    about = read_json(tmp_path / "out/source.json")
    assert (about["first_day"], about["quarantined"]) == (FIRST.isoformat(), {"implausible_time": 2})
    assert rows_of(tmp_path / "out").height + aside.height == log().height
    run(tmp_path, log())
    assert not (tmp_path / "out/set_aside.parquet").exists()
    assert "quarantined" not in read_json(tmp_path / "out/source.json")


def test_a_number_no_calendar_holds_is_set_aside_too(tmp_path: Path) -> None:
    result = run(tmp_path, log().with_columns(pl.when(ROW == 100).then(2**63 - 1).otherwise("ts").alias("ts")))
    assert result.quarantined == {"implausible_time": 1}
    assert pl.read_parquet(tmp_path / "out/set_aside.parquet")["row"].to_list() == [101]


def test_scenes_that_are_not_named_are_left_for_validation(tmp_path: Path) -> None:
    named = log().with_columns(pl.col("tab").replace_strict([0, 1, 2], ["home", "search", "new"]))
    run(tmp_path, named, scenes=["home", "search"])
    assert set(rows_of(tmp_path / "out")["scene"]) == {0, 1, -1}
    about = read_json(tmp_path / "out/source.json")
    assert (about["scenes"], about["scene_names"]) == ([0, 1], ["home", "search"])


def test_capabilities_come_from_rows(tmp_path: Path) -> None:
    frame = log().with_columns(pol=pl.lit(0), pos=pl.lit(None, dtype=pl.Int16()), lv=pl.col("like"))
    columns = {"policy": "pol", "position": "pos", "long_view": "lv"}
    run(tmp_path, frame, columns=columns)
    assert read_json(tmp_path / "out/source.json")["capabilities"] == ["like", "long_view"]
    run(tmp_path, frame.with_columns(pol=pl.lit(1)), columns=columns)
    assert read_json(tmp_path / "out/source.json")["capabilities"] == ["like", "long_view", "random_exposure"]


@pytest.mark.parametrize("kind", ["users", "videos"])
def test_a_category_may_have_any_name(tmp_path: Path, kind: str) -> None:
    key, column = ("uid", "user_id") if kind == "users" else ("vid", "video_id")
    names = ["content", "user's city", "{x}", 'a "b"', "a;b"]
    log().select(key).unique().with_columns(pl.lit("c").alias(name) for name in names).write_parquet(
        tmp_path / "side.parquet"
    )
    run(tmp_path, log(), **{kind: {"files": "side.parquet", "columns": {column: key}, "categoricals": names}})
    assert set(names) < set(pl.read_parquet_schema(tmp_path / f"out/{kind}.parquet"))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"columns": {"scene": {"constant": "home"}}}, r"impressions.columns.scene: constant 'home' is no Int16 \(page of"),
        ({"columns": {"like": {"constant": 0.5}}}, r"impressions.columns.like: constant 0.5 is no Int8"),
        ({"columns": {"scene": {"constant": 99_999}}}, r"constant 99999 is no Int16"),
        ({"columns": {"policy": {"constant": 3}}}, r"impressions.columns.policy: constant 3 is no String"),
        ({"columns": {"scene": {"constant": "lost"}}, "scenes": ["home"]}, r"scenes do not name 'lost' \(they are home\)"),
        ({"columns": {"like": ["a", "b"]}}, r"impressions.columns.like: only times are made of two columns, got \['a', 'b'\]"),
        ({"columns": {"event_time_ms": ["a", "b", "c"]}}, r"at most 2 items"),
        ({"categoricals": ["scene"]}, r"impressions.categoricals: 'scene' is a column of the contract; take it out, or map it"),
        ({"categoricals": ["user_id as written"]}, r"'user_id as written' ends as columns of dwell's own do"),
        ({"time_unit": "h"}, r"time_unit"),
        ({"watch_unit": "minutes"}, r"watch_unit"),
        ({"time_format": "%H:%M"}, r"time_format '%H:%M' does not name a day"),
    ],
)  # fmt: skip
def test_wrong_mappings_are_refused(tmp_path: Path, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        source(tmp_path, **settings)


def test_constants_are_values_of_their_column(tmp_path: Path) -> None:
    run(
        tmp_path,
        log(),
        scenes=["home", "search"],
        columns={"scene": {"constant": "search"}, "policy": {"constant": "random"}},
    )
    assert rows_of(tmp_path / "out").select(pl.col("scene", "policy").unique()).row(0) == (1, "random")
