"""Values that are not what their column is for: refused with file, row, column, value and remedy, nothing earlier touched."""

import datetime as dt
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tasks.core.errors import SourceError
from tasks.core.files import hash_tree
from tasks.ingest import ingest
from tests.ingest.foreign import NIGHT, log, source

ROW = pl.int_range(pl.len())


def one(name: str, value: Any, row: int = 4) -> pl.Expr:
    """Put one value into a column."""
    return pl.when(row == ROW).then(pl.lit(value)).otherwise(name).alias(name)


def text(name: str, value: str, row: int = 4) -> pl.Expr:
    return pl.when(row == ROW).then(pl.lit(value)).otherwise(pl.col(name).cast(pl.String())).alias(name)


BAD: dict[str, tuple[pl.Expr, dict[str, Any], str]] = {
    "fractional users": (pl.col("uid") + 0.5, {}, r"row 1: column 'uid' holds 0.5, which .*, nor can 1.5 and 2.5 \(240 rows in all\); identifiers are text or whole numbers"),
    "one fractional video": (one("vid", 53.5), {}, r"row 5: column 'vid' holds 53.5, which cannot be read as video_id"),
    "rounded users": (pl.col("uid").cast(pl.Float64) + 2**60, {}, r"'uid' holds 1.15\d+e\+18.*deliver the column as int64 or text"),
    "users of a spreadsheet": (text("uid", "1.23457E+15"), {}, r"row 5: column 'uid' holds '1.23457E\+15'.*E notation has lost digits"),
    "flags as users": (pl.col("uid") > 3, {}, r"row 1: column 'uid' holds False.*it is Boolean"),
    "times as users": (pl.col("ts").cast(pl.Datetime("ms")).alias("uid"), {}, r"column 'uid' holds datetime.*it is Datetime"),
    "lists as users": (pl.concat_list("uid", "vid").alias("uid"), {}, r"column 'uid' holds \[0, 100\].*it is List\(Int64\)"),
    "records as videos": (pl.struct("uid").alias("vid"), {}, r"column 'vid' holds \{'uid': 0\}.*it is Struct"),
    "endless videos": (one("vid", float("inf")), {}, r"row 5: column 'vid' holds inf"),
    "seconds declared ms": (pl.col("ts") // 1000, {}, r"log.parquet, impressions: column 'ts' holds 1709\d+; read in time_unit ms it is 1970-01-20: set time_unit: s, in which it is 2024-03-01"),
    "microseconds declared ms": (pl.col("ts") * 1000, {"time_unit": "ms"}, r"it is the year 5\d+: set time_unit: us"),
    "nanoseconds declared s": (pl.col("ts") * 1_000_000, {"time_unit": "s"}, r"set time_unit: ns"),
    "digits": (pl.from_epoch("ts", "ms").dt.strftime("%Y%m%d%H%M%S").cast(pl.Int64).alias("ts"), {}, r"column 'ts' holds 20240301\d{6};.*set time_format: '%Y%m%d%H%M%S'"),
    "E notation": (pl.format("{}E+12", (pl.col("ts") / 1e12).round(5)).alias("ts"), {}, r"row 1: column 'ts' holds '1.70925E\+12'.*E notation has lost the last digits"),
    "day first": (pl.from_epoch("ts", "ms").dt.strftime("%d/%m/%Y %H:%M").alias("ts"), {}, r"column 'ts' holds '01/03/2024 01:00'.*state in time_format which is the day"),
    "another format": (pl.from_epoch("ts", "ms").dt.strftime("%d.%m.%Y").alias("ts"), {"time_format": "%d/%m/%Y"}, r"not of time_format '%d/%m/%Y'"),
    "one word": (text("ts", "soon"), {}, r"row 5: column 'ts' holds 'soon', which cannot be read as event_time_ms"),
    "no time": (one("ts", None), {}, r"row 5: column 'ts' holds None, which cannot be read as event_time_ms"),
    "not a time": (one("ts", float("nan")), {}, r"row 5: column 'ts' holds nan|holds None"),
    "counters": (ROW.alias("ts"), {}, r"column 'ts' holds 1; .*no unit of time_unit makes it a time of this century"),
    "flags as times": ((pl.col("ts") > 0).alias("ts"), {}, r"column 'ts' holds True.*it is Boolean"),
    "many clocks never set": (pl.when(ROW % 10 == 3).then(0).otherwise("ts").alias("ts"), {}, r"stretches more than 180 days apart: 1970-01-01 to 1970-01-01 \(24 rows\) and 2024-03-01 to 2024-03-06 \(216 rows\)"),
    "two stretches": (pl.col("ts") - pl.when(ROW < 100).then(400 * 86_400_000).otherwise(0), {}, r"stretches more than 180 days apart: 2023-01-26 to 2023-01-28 \(100 rows\) and 2024-03-03 to 2024-03-06 \(140 rows\)"),
    "watch of a clock": (pl.lit("0:12").alias("play"), {}, r"row 1: column 'play' holds '0:12'.*in the unit that watch_unit names"),
    "watch of the day": (pl.lit(dt.time(0, 0, 12)).alias("play"), {}, r"column 'play' holds datetime.time.*it is Time"),
    "watch in words": (text("play", "long"), {}, r"row 5: column 'play' holds 'long', which cannot be read as watch_ms"),
    "duration flags": ((pl.col("dur") > 0).alias("dur"), {}, r"column 'dur' holds True.*lengths are numbers, in the unit that duration_unit names"),
    "fractional flags": (pl.col("like") * 0.5, {}, r"row 2: column 'like' holds 0.5, which cannot be read as like"),
    "flags in words": (text("like", "maybe"), {}, r"row 5: column 'like' holds 'maybe'.*flags are 0 or 1"),
    "flags as counts": (one("like", 4000), {}, r"row 5: column 'like' holds 4000, which cannot be read as like"),
    "scenes in words": (pl.format("page {}", "tab").alias("tab"), {}, r"row 1: column 'tab' holds 'page 0'.*nor can 'page 1' and 'page 2'.*or text that `scenes` of this table lists"),
    "fractional scenes": (pl.col("tab") + 0.5, {}, r"column 'tab' holds 0.5, which cannot be read as scene"),
    "scenes beyond the type": (one("tab", 70_000), {}, r"row 5: column 'tab' holds 70000"),
    "policies in words": (text("tab", "curious").alias("pol"), {"columns": {"policy": "pol"}}, r"column 'pol' holds '2'.*policies are standard, random"),
    "probabilities in words": (pl.lit("often").alias("p"), {"columns": {"exposure_probability": "p"}}, r"column 'p' holds 'often', which cannot be read as exposure_probability"),
    "positions between": (pl.lit(1.5).alias("pos"), {"columns": {"position": "pos"}}, r"column 'pos' holds 1.5, which cannot be read as position"),
}  # fmt: skip


@pytest.fixture(scope="module")
def earlier(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a sound log and what an earlier run made of it."""
    root = tmp_path_factory.mktemp("earlier")
    log().write_parquet(root / "log.parquet")
    ingest(source(root), NIGHT, root / "out")
    return root


@pytest.mark.parametrize("kind", BAD)
def test_bad_values_are_refused_and_earlier_output_kept(earlier: Path, kind: str) -> None:
    change, settings, message = BAD[kind]
    before = hash_tree(earlier / "out")
    log().with_columns(change).write_parquet(earlier / "log.parquet")
    with pytest.raises(SourceError, match=message) as refused:
        ingest(source(earlier, **settings), NIGHT, earlier / "out")
    assert "log.parquet" in str(refused.value) or "stretches" in str(refused.value)
    assert "truncated" not in str(refused.value)
    assert hash_tree(earlier / "out") == before


def test_a_unit_that_changes_beyond_the_first_rows_is_found(earlier: Path) -> None:
    long = pl.concat([log()] * 100).with_columns(
        pl.when(ROW < 10_000).then("ts").otherwise(pl.col("ts") // 1000).alias("ts")
    )
    long.write_parquet(earlier / "log.parquet")
    with pytest.raises(
        SourceError, match=r"row 10001: column 'ts' holds 1709\d+, as most rows do, read as 1970-01-20: no log"
    ):
        ingest(source(earlier), NIGHT, earlier / "out")


def test_everything_wrong_is_said_at_once(earlier: Path) -> None:
    log().with_columns(text("play", "long"), pl.col("like") * 0.5, one("vid", 53.5)).write_parquet(
        earlier / "log.parquet"
    )
    log().with_columns(text("uid", "1.2E+15")).write_parquet(earlier / "log2.parquet")
    with pytest.raises(SourceError) as refused:
        ingest(source(earlier), NIGHT, earlier / "out")
    (earlier / "log2.parquet").unlink()
    lines = str(refused.value).splitlines()
    assert [line.split("holds")[0].split("column ")[1].strip() for line in lines] == [
        "'vid'",
        "'play'",
        "'like'",
        "'uid'",
    ]


SIDE: dict[str, tuple[str, pl.DataFrame, dict[str, Any], str]] = {
    "fractional authors": ("videos", pl.DataFrame({"vid": [100, 101], "by": [1.0, 1.5]}), {"author_id": "by"}, r"row 2: .*column 'by' holds 1.5, which cannot be read as author_id"),
    "no key": ("users", pl.DataFrame({"uid": ["a", None]}), {}, r"row 2: .*column 'uid' holds None, which cannot be read as user_id"),
    "one user twice": ("users", pl.DataFrame({"uid": ["a", "b", "a"]}), {}, r"names user_id a more than once"),
    "tags as records": ("videos", pl.DataFrame({"vid": [100], "t": [{"a": 1}]}), {"tag": "t"}, r"column 't' holds \{'a': 1\}.*tags are text, or lists of text"),
    "uploads in words": ("videos", pl.DataFrame({"vid": [100], "up": ["long ago"]}), {"upload_time_ms": "up"}, r"column 'up' holds 'long ago'"),
    "categories as records": ("users", pl.DataFrame({"uid": [1], "city": [{"a": 1}]}), {}, r"column 'city' holds records, which are no category"),
}  # fmt: skip


@pytest.mark.parametrize("kind", SIDE)
def test_bad_side_tables_are_refused_and_earlier_output_kept(earlier: Path, kind: str) -> None:
    table, frame, columns, message = SIDE[kind]
    before = hash_tree(earlier / "out")
    log().write_parquet(earlier / "log.parquet")
    frame.write_parquet(earlier / "side.parquet")
    key = {"user_id": "uid"} if table == "users" else {"video_id": "vid"}
    files = {
        "files": "side.parquet",
        "columns": key | columns,
        "categoricals": ["city"] if "city" in frame.columns else [],
    }
    with pytest.raises(SourceError, match=message):
        ingest(source(earlier, **{table: files}), NIGHT, earlier / "out")
    assert hash_tree(earlier / "out") == before
