"""Forms of files: every one that is read gives the same rows; every one that is not says where, and what would accept it."""

import bz2
import datetime as dt
import gzip
import os
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from polars.testing import assert_frame_equal
from pydantic import TypeAdapter, ValidationError

from tasks.core.days import Days
from tasks.core.errors import SourceError, StorageError
from tasks.core.files import hash_tree
from tasks.ingest import default_as_of, ingest
from tasks.ingest.config import SourceConfig
from tasks.ingest.forms.encodings import guess, not_utf8

FIRST = dt.date(2024, 3, 1)
NIGHT = Days.of_night(FIRST + dt.timedelta(days=5), 2, 2)
START_MS = int(dt.datetime(2024, 3, 1, 9, 30, tzinfo=dt.UTC).timestamp()) * 1000

LOG = pl.DataFrame(
    {
        "uid": [9007199254740993 + i % 7 for i in range(30)],
        "vid": [100 + i % 11 for i in range(30)],
        "ts": [START_MS + i // 5 * 86_400_000 + i % 5 * 600_000 for i in range(30)],
        "play": [1000 * (i % 9) for i in range(30)],
        "length": [1000 * (10 + i % 11) for i in range(30)],
        "pos": [None if i % 4 == 0 else i % 4 for i in range(30)],
        "title": [f'音乐 "{i}", first\nand second; part | {i}' for i in range(30)],
    }
)
"""Six days of five rows; identifiers that no double holds, a column with nulls, and one that needs quotes."""
LATIN = LOG.with_columns(title=pl.format("café; {}", "vid"))
PLAIN = LOG.drop("title")

COLUMNS = {
    "user_id": "uid", "video_id": "vid", "event_time_ms": "ts", "watch_ms": "play", "duration_ms": "length", "position": "pos"
}  # fmt: skip


def source(path: Path, **layout: Any) -> SourceConfig:
    table = {"files": "log*", "columns": COLUMNS} | layout
    config: SourceConfig = TypeAdapter(SourceConfig).validate_python(
        {"kind": "table", "path": str(path), "impressions": table}
    )
    return config


def rows_of(out: Path) -> pl.DataFrame:
    return pl.read_parquet(sorted(out.glob("impressions/*/part.parquet")), hive_partitioning=False)


def csv(frame: pl.DataFrame = LOG, **options: Any) -> str:
    return frame.write_csv(**options)


def zst(content: bytes) -> bytes:
    compressed: bytes = pa.compress(content, codec="zstd", asbytes=True)
    return compressed


def write(folder: Path, files: dict[str, bytes | str]) -> None:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)


def parquet(frame: pl.DataFrame | pa.Table = LOG, **options: Any) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(frame.to_arrow() if isinstance(frame, pl.DataFrame) else frame, sink, **options)
    content: bytes = sink.getvalue().to_pybytes()
    return content


def stored_otherwise() -> pa.Table:
    """Return the log in types that say how values are stored: dictionaries, decimals, bytes, large and small ones."""
    table = PLAIN.to_arrow()
    decimals = pa.array([Decimal(value) for value in LOG["uid"]], pa.decimal128(38, 0))
    played = pa.array([Decimal(value) for value in LOG["play"]], pa.decimal128(12, 3))
    position = pa.array([None if value is None else str(value) for value in LOG["pos"]], pa.large_string())
    videos = pa.array([str(value).encode() for value in LOG["vid"]], pa.large_binary())
    length = pa.array([str(value) for value in LOG["length"]]).dictionary_encode()
    for name, values in (
        ("uid", decimals), ("play", played), ("pos", position), ("vid", videos), ("length", length)
    ):  # fmt: skip
        table = table.set_column(table.column_names.index(name), name, values)
    return table.append_column("nothing", pa.nulls(30)).append_column("stamp", pa.array([b"\xff\x00"] * 30))


def by_day(form: Callable[[pl.DataFrame], bytes | str], suffix: str) -> dict[str, bytes | str]:
    """Return a folder of folders, one a day, whose names hold the day and the tab."""
    return {
        f"log/day={FIRST + dt.timedelta(days=day)}/tab=a%20b/part-0000{suffix}": form(part)
        for day, part in enumerate(LOG.iter_slices(5))
    }


QUOTED = "\n".join(
    ",".join(f'"{"" if value is None else value}"' for value in row) for row in [PLAIN.columns, *PLAIN.iter_rows()]
)
GOOD: dict[str, tuple[dict[str, bytes | str], dict[str, Any]]] = {
    "csv": ({"log.csv": csv()}, {}),
    "csv with CRLF and a byte-order mark": ({"log.csv": b"\xef\xbb\xbf" + csv(line_terminator="\r\n").encode()}, {}),
    "quotes everywhere, the empty ones too": ({"log.csv": QUOTED}, {}),
    "a header with doubled quotes": (
        {"log.csv": csv().replace("pos", '"""p"", os"', 1)}, {"columns": COLUMNS | {"position": '"p", os'}},
    ),
    "semicolons": ({"log.csv": csv(separator=";")}, {"delimiter": ";"}),
    "bars": ({"log.txt": csv(separator="|")}, {"delimiter": "|"}),
    "tabs by suffix": ({"log.tsv": csv(separator="\t")}, {}),
    "tabs by declaration": ({"log.csv": csv(separator="\t")}, {"delimiter": "\t"}),
    "tabs and quotes that quote nothing": (
        {"log.tsv": csv(PLAIN.with_columns(title=pl.lit('5" "wide')), separator="\t", quote_style="never")},
        {"quote": ""},
    ),
    "markers of no value": ({"log.csv": csv(PLAIN, null_value="\\N")}, {"null_values": ["NULL", "\\N"]}),
    "no header": ({"log.csv": csv(include_header=False)}, {"header": LOG.columns}),
    "a column twice that is not read": (
        {"log.csv": csv(PLAIN.with_columns(a=pl.lit("1"), b=pl.lit("2"))).replace("a,b", "a,a")}, {},
    ),
    "gz": ({"log.csv.gz": gzip.compress(csv().encode())}, {}),
    "gz in two members": ({"log.csv.gz": gzip.compress(csv()[:900].encode()) + gzip.compress(csv()[900:].encode())}, {}),
    "gz that its name does not tell": ({"log.csv": gzip.compress(csv().encode())}, {}),
    "zst": ({"log.csv.zst": zst(csv().encode())}, {}),
    "zst in two frames": ({"log.csv.zst": zst(csv()[:900].encode()) + zst(csv()[900:].encode())}, {}),
    "bz2": ({"log.csv.bz2": bz2.compress(csv().encode())}, {}),
    "plain, whatever its name says": ({"log.csv.gz": csv()}, {}),
    "GBK": ({"log.csv": csv().encode("gbk")}, {"encoding": "gbk"}),
    "GBK, semicolons, gz": (
        {"log.csv.gz": gzip.compress(csv(separator=";").encode("gbk"))}, {"encoding": "gbk", "delimiter": ";"},
    ),
    "UTF-16 with its mark": ({"log.csv": csv().encode("utf-16")}, {}),
    "UTF-16, big end first, without": ({"log.csv": csv().encode("utf-16-be")}, {"encoding": "utf-16-be"}),
    "cp1252": ({"log.csv": csv(LATIN).encode("cp1252")}, {"encoding": "cp1252"}),
    "JSON lines": ({"log.jsonl": LOG.write_ndjson()}, {}),
    "JSON lines with a mark, blank lines and CRLF": (
        {"log.ndjson": b"\xef\xbb\xbf\r\n" + LOG.write_ndjson().replace("\n", "\r\n\r\n").encode()}, {},
    ),
    "JSON lines, zst, called .json": ({"log.json.zst": zst(LOG.write_ndjson().encode())}, {}),
    "JSON lines without what is null": ({"log.jsonl": LOG.write_ndjson().replace(',"pos":null', "")}, {}),
    "JSON lines with a marker of no value": (
        {"log.jsonl": LOG.write_ndjson().replace('"pos":null', '"pos":"none"')}, {"null_values": "none"},
    ),
    "parquet": ({"log.parquet": parquet()}, {}),
    "parquet, zstd inside": ({"log.parquet": parquet(compression="zstd")}, {}),
    "parquet, gz outside": ({"log.parquet.gz": gzip.compress(parquet())}, {}),
    "parquet called csv": ({"log.csv.snappy.parquet": parquet()}, {}),
    "parquet, whatever its name says": ({"log.csv": parquet()}, {}),
    "parquet with other types": ({"log.parquet": parquet(stored_otherwise())}, {}),
    "parquet with records of its own size": ({"log.pq": parquet(row_group_size=4)}, {}),
    "no extension": ({"log": parquet(LOG.head(10)), "log2": csv(LOG[10:20]), "log3": LOG[20:].write_ndjson()}, {}),
    "unknown extension": ({"log.20240301": csv()}, {}),
    "declared against its name": ({"log.json": csv()}, {"format": "csv"}),
    "forms side by side": (
        {"log1.csv": csv(LOG.head(12)), "log2.jsonl": LOG[12:20].write_ndjson(), "log3.parquet": parquet(LOG[20:])}, {},
    ),
    "parts without rows": (
        {"log1.parquet": parquet(), "log2.parquet": parquet(LOG.head(0)), "log3.csv": csv(LOG.head(0)), "log4.csv": "",
         "log5.jsonl": "", "log6.parquet": parquet(LOG.head(0)), "log7.csv.gz": gzip.compress(b"")}, {},
    ),
    "folders of days in parquet": (by_day(parquet, ".snappy.parquet"), {}),
    "folders of days in csv": (by_day(csv, ".csv"), {"files": "log/**/*.csv"}),
    "marks of a finished job beside them": (
        by_day(parquet, ".parquet") | {"log/_SUCCESS": "", "log/day=2024-03-01/.part-0000.parquet.crc": b"\0crc"}, {},
    ),
    "a folder by its name": (by_day(parquet, ""), {"files": "log"}),
    "names with signs of patterns": ({"log [a]?*/x [1].csv": csv()}, {"files": "log [a]?*/x [1].csv"}),
    "names that are not ASCII": ({"日志/лог 1.csv": csv()}, {"files": "日志/*.csv"}),
    "JSON lines below signs of patterns": ({"[v1]/log *.jsonl": LOG.write_ndjson()}, {"files": ["[[]v1]/log*"]}),
}  # fmt: skip


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workspace, in which copies of compressed files are made and removed."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> pl.DataFrame:
    folder = tmp_path_factory.mktemp("reference")
    PLAIN.write_parquet(folder / "log.parquet")
    ingest(source(folder), NIGHT, folder / "out")
    rows = rows_of(folder / "out")
    assert rows.height == 30
    assert rows["user_id"].to_list() == LOG["uid"].to_list()
    assert rows["position"].to_list() == LOG["pos"].to_list()
    assert rows["event_time_ms"].to_list() == LOG["ts"].to_list()
    assert rows["watch_ms"].to_list() == LOG["play"].to_list()
    return rows


@pytest.mark.slow
@pytest.mark.parametrize("name", GOOD)
def test_a_good_form_gives_its_rows(here: Path, expected: pl.DataFrame, name: str) -> None:
    files, layout = GOOD[name]
    write(here / "mine [v1] 数据", files)
    ingest(source(here / "mine [v1] 数据", **layout), NIGHT, here / "out")
    assert_frame_equal(rows_of(here / "out"), expected)
    assert not list(here.glob(".dwell/tmp/*"))


def test_a_single_file_is_a_path(here: Path, expected: pl.DataFrame) -> None:
    write(here, {"a [log].csv.gz": gzip.compress(csv().encode())})
    ingest(source(here / "a [log].csv.gz", files=[]), NIGHT, here / "out")
    assert_frame_equal(rows_of(here / "out"), expected)


def test_folders_name_columns(here: Path) -> None:
    write(here, by_day(parquet, ".parquet"))
    value = {"kind": "table", "path": str(here), "impressions": {"files": "log", "columns": COLUMNS},
             "videos": {"files": "log/tab=*", "columns": {"video_id": "vid", "tag": "tab"}}}  # fmt: skip
    write(here, {"log/tab=a%20b/catalogue.csv": "vid\n100\n", "log/tab=__HIVE_DEFAULT_PARTITION__/c.csv": "vid\n101\n"})
    value["impressions"] = {"files": "log/day=*", "columns": COLUMNS}
    ingest(TypeAdapter(SourceConfig).validate_python(value), NIGHT, here / "out")
    videos = pl.read_parquet(here / "out/videos.parquet")
    assert videos["video_id"].to_list() == [100, 101]
    assert videos["tag"].to_list() == ["a b", None]


def test_bytes_that_are_no_text_arrive_as_digits(here: Path) -> None:
    users = pa.table({"uid": LOG["uid"].unique().sort().to_arrow(), "hash": [b"\xff\x00", b"ok", None, *[b"x"] * 4]})
    write(here, {"log.csv": csv(), "users.parquet": parquet(users)})
    value = {"kind": "table", "path": str(here), "impressions": {"files": "log.csv", "columns": COLUMNS},
             "users": {"files": "users.parquet", "columns": {"user_id": "uid"}, "categoricals": ["hash"]}}  # fmt: skip
    ingest(TypeAdapter(SourceConfig).validate_python(value), NIGHT, here / "out")
    assert pl.read_parquet(here / "out/users.parquet")["hash"].to_list()[:3] == ["0xff00", "ok", None]


def with_line(number: int, line: str, text: str | None = None) -> str:
    """Return the log with another line in the place of one, counted from 1 with the header."""
    lines = (text or csv(PLAIN)).splitlines()
    return "\n".join([*lines[: number - 1], line, *lines[number:], ""])


ROW = csv(PLAIN).splitlines()[8]
BAD: dict[str, tuple[dict[str, bytes | str], dict[str, Any], str]] = {
    "semicolons": (
        {"log.csv": csv(PLAIN, separator=";")}, {},
        r"log.csv lacks column 'uid', .*with a semicolon between fields it has 6 columns .*set impressions.delimiter to ';'",
    ),
    "tabs": ({"log.csv": csv(PLAIN, separator="\t")}, {}, r"with a tab between fields it has 6 .*impressions.delimiter to '\\t'"),
    "commas declared otherwise": ({"log.csv": csv(PLAIN)}, {"delimiter": "|"}, r"with a comma between fields it has 6 columns"),
    "GBK": (
        {"log.csv": csv(LATIN.with_columns(title=pl.lit("音乐"))).encode("gbk")}, {},
        r"log.csv: line 2 is not UTF-8; it reads as GBK \('音乐.*set impressions.encoding to gbk",
    ),
    "GBK, gz": (
        {"log.csv.gz": gzip.compress(csv(LOG.with_columns(title=pl.lit("音乐"))).encode("gbk"))}, {},
        r"line 2 is not UTF-8; it reads as GBK .*set impressions.encoding to gbk",
    ),
    "GBK in the header": (
        {"log.csv": csv(PLAIN.rename({"uid": "用户"})).encode("gbk")}, {}, r"line 1 is not UTF-8; it reads as GBK \('用户",
    ),
    "cp1252": ({"log.csv": csv(LATIN).encode("cp1252")}, {}, r"line 2 is not UTF-8; it reads as CP1252 \('é; 100"),
    "no encoding at all": (
        {"log.csv": csv(LATIN).encode("cp1252").replace(b"\xe9", b"\x81")}, {},
        r"line 2 is not UTF-8 \(it holds b'\\x81.*set impressions.encoding to what wrote it",
    ),
    "another encoding than declared": (
        {"log.csv": csv(LATIN).encode("cp1252")}, {"encoding": "gbk"}, r"log.csv, line 2: b'.*' is not gbk; set encoding",
    ),
    "UTF-16 without a mark": ({"log.csv": csv().encode("utf-16-le")}, {}, r"set impressions.encoding to utf-16-le"),
    "a short line": ({"log.csv": with_line(9, "1,2,3")}, {}, r"log.csv: line 9 has 3 fields, the header has 6"),
    "a long line": ({"log.csv": with_line(9, ROW + ",8")}, {}, r"log.csv: line 9 has 7 fields, the header has 6"),
    "two broken lines": ({"log.csv": with_line(9, "1", with_line(12, "1,2"))}, {}, r"line 9 has 1 fields(.|\n)*line 12 has 2"),
    "many broken lines": (
        {"log.csv": "\n".join(["uid,vid,ts,play,length,pos", *["1,2"] * 50])}, {}, r"line 4 has 2 fields(.|\n)*and 47 more",
    ),
    "an empty line": ({"log.csv": with_line(9, "")}, {}, r"log.csv: line 9 is empty; remove it"),
    "a quote that quotes nothing": (
        {"log.csv": csv(PLAIN.with_columns(title=pl.lit("x"))).replace(",x\n", ',"x\n', 1)}, {},
        r"line 2 begins a quoted field that does not end.*where it is an ordinary character, set impressions.quote to ''",
    ),
    "a header whose quotes end before a name does": (
        {"log.csv": csv().replace("title", '""title""', 1)}, {}, r"quotes within its first line can be read in two ways .*set impressions.quote to",
    ),
    "a line broken behind quoted line ends": ({"log.csv": csv() + "1,2\n"}, {}, r"line 62 has 2 fields, the header has 7"),
    "a wrong value behind quoted line ends": (
        {"log.csv": csv(LOG[["title", *PLAIN.columns]]).replace(",8000,", ",soon,", 1)}, {},
        r"log.csv, line 18: column 'play' holds 'soon'",
    ),
    "no header": (
        {"log.csv": csv(PLAIN, include_header=False)}, {}, r"set impressions.header to \[the names of its columns\]",
    ),
    "a header of another length": (
        {"log.csv": csv(PLAIN, include_header=False)}, {"header": [*PLAIN.columns, "more"]},
        r"line 1 has 6 fields, the names in params.yaml are 7",
    ),
    "a marker of no value": (
        {"log.csv": csv(PLAIN, null_value="\\N")}, {}, r"log.csv, line 2: column 'pos' holds .*set impressions.null_values to \['\\\\N'",
    ),
    "gz cut off": ({"log.csv.gz": gzip.compress(csv().encode())[:-30]}, {}, r"log.csv.gz is cut off: its compressed data end"),
    "gz damaged": (
        {"log.csv.gz": gzip.compress(os.urandom(200_000))[:50_000] + b"\0" * 5000}, {}, r"log.csv.gz is (damaged|cut off)",
    ),
    "zst cut off": ({"log.csv.zst": zst(csv().encode())[:-9]}, {}, r"log.csv.zst is cut off: its compressed data end too early"),
    "zst damaged": ({"log.csv.zst": zst(csv().encode())[:40] + b"\xff" * 400}, {}, r"log.csv.zst is (damaged|cut off)"),
    "bz2 cut off": ({"log.csv.bz2": bz2.compress(csv().encode())[:-30]}, {}, r"log.csv.bz2 is cut off"),
    "xz": ({"log.csv.xz": b"\xfd7zXZ\x00\x00\x04"}, {}, r"log.csv.xz is compressed by xz: compress it by gz, zst or bz2"),
    "a zip archive": ({"log.zip": b"PK\x03\x04\x14\x00"}, {}, r"log.zip is a zip archive or a workbook: unpack it, or export"),
    "Arrow": ({"log.feather": b"ARROW1\x00\x00"}, {}, r"log.feather is an Arrow \(Feather\) file: write it as Parquet"),
    "ORC": ({"log.orc": b"ORC\x08\x03"}, {}, r"log.orc is an ORC file: write it as Parquet"),
    "an unknown form": ({"log": b"\x00\x01\x02\x03"}, {}, r"log is of no form that is read.*set impressions.format to one of csv"),
    "a JSON array": ({"log.json": LOG.write_json()}, {}, r"log.json is one JSON array: write one object a line"),
    "broken JSON": (
        {"log.jsonl": with_line(4, '{"uid": 1,}', LOG.write_ndjson())}, {},
        r"log.jsonl: line 4 holds '\{\"uid\": 1,\}', which is no JSON object; mend the line",
    ),
    "JSON that ends in the middle": ({"log.jsonl": LOG.write_ndjson()[:-40]}, {}, r"log.jsonl: line 30 holds .*no JSON object"),
    "JSON that is no object": ({"log.jsonl": LOG.write_ndjson() + "[1, 2]\n"}, {}, r"line 31 holds '\[1, 2\]', which is no JSON"),
    "JSON with NaN": ({"log.jsonl": LOG.write_ndjson() + '{"uid": NaN}\n'}, {}, r"line 31 holds '\{\"uid\": NaN\}'"),
    "JSON lines in GBK": ({"log.jsonl": LOG.write_ndjson().encode("gbk")}, {}, r"line 1 is not UTF-8: set impressions.encoding"),
    "JSON without a column": ({"log.jsonl": LOG.drop("play").write_ndjson()}, {}, r"log.jsonl lacks column 'play'; it has uid"),
    "a wrong value behind blank lines": (
        {"log.jsonl": "\n\n" + LOG.with_columns(play=pl.lit("soon")).write_ndjson()}, {},
        r"log.jsonl, line 3: column 'play' holds 'soon'",
    ),
    "parquet cut off": ({"log.parquet": parquet()[:-20]}, {}, r"log.parquet: no readable Parquet: it is cut off, its last bytes"),
    "parquet damaged": ({"log.parquet": parquet()[:50] + b"\0" * 800 + parquet()[850:]}, {}, r"log.parquet: no readable Parq"),
    "text called parquet": (
        {"log.parquet": csv()}, {}, r"log.parquet: no readable Parquet: it begins with b'uid,'; set impressions.format to csv or",
    ),
    "two files, two faults": (
        {"log1.csv": with_line(9, "1,2"), "log2.csv": csv(PLAIN, separator=";"), "log3.parquet": parquet()[:-9]}, {},
        r"log2.csv lacks column(.|\n)*log3.parquet: no readable Parquet",
    ),
    "no rows anywhere": ({"log.csv": csv(LOG.head(0)), "log2.csv": ""}, {}, r"log.csv, log2.csv holds no rows: deliver the log"),
    "no such file": ({"log.csv": csv()}, {"files": "lag*"}, r"no file matches .*lag\*: check the source's path and impressions.fi"),
    "a folder without its files named": ({"log.csv": csv()}, {"files": []}, r"is a folder: name files in it under impressions.fi"),
    "a Delta table": (
        {"log/part.parquet": parquet(), "log/_delta_log/0.json": "{}"}, {"files": "log"}, r"log is a Delta table, whose files",
    ),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("name", BAD)
def test_a_bad_form_is_refused_and_earlier_output_kept(here: Path, name: str) -> None:
    files, layout, message = BAD[name]
    write(here / "good", {"log.csv": csv()})
    ingest(source(here / "good"), NIGHT, here / "out")
    before = hash_tree(here / "out")
    write(here / "mine", files)
    with pytest.raises(SourceError, match=message) as refused:
        ingest(source(here / "mine", **layout), NIGHT, here / "out")
    assert "perhaps truncated" not in str(refused.value)
    assert hash_tree(here / "out") == before
    assert not list(here.glob(".dwell/tmp/*"))


@pytest.mark.parametrize(
    ("layout", "message"),
    [
        ({"encoding": "klingon"}, "unknown encoding 'klingon'; use a name such as utf-8"),
        ({"encoding": "base64"}, "'base64' is no encoding of text"),
        ({"delimiter": "::"}, "delimiter"),
        ({"format": "xlsx"}, "format"),
        ({"header": ["uid", "uid"]}, "a column is named twice: uid"),
        ({"files": "../other/*.csv"}, r"'../other/\*.csv' leads out of the source's path"),
        ({"files": "/etc/passwd"}, "leads out of the source's path"),
    ],
)
def test_a_wrong_layout_is_refused(tmp_path: Path, layout: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        source(tmp_path, **layout)


def test_a_category_may_not_take_the_name_of_a_column(tmp_path: Path) -> None:
    value = {"kind": "table", "path": str(tmp_path), "impressions": {"files": "log*", "columns": COLUMNS},
             "users": {"files": "users.csv", "columns": {"user_id": "uid"}, "categoricals": ["user_id", "city"]}}  # fmt: skip
    with pytest.raises(
        ValidationError, match=r"users.categoricals: 'user_id' is a column of the contract; take it out, or map it"
    ):
        TypeAdapter(SourceConfig).validate_python(value)


def test_all_problems_of_all_tables_are_told_at_once_and_before_anything_is_written(here: Path) -> None:
    write(
        here,
        {
            "log.csv": with_line(9, "1,2"),
            "users.csv": "id\n7\n7\n",
            "log2.csv": with_line(5, "7,100,1709285400000,soon,9000,"),
        },
    )
    value = {"kind": "table", "path": str(here), "impressions": {"files": "log*", "columns": COLUMNS},
             "users": {"files": "users.csv", "columns": {"user_id": "id"}},
             "videos": {"files": "videos.csv", "columns": {"video_id": "vid"}}}  # fmt: skip
    with pytest.raises(SourceError) as refused:
        ingest(TypeAdapter(SourceConfig).validate_python(value), NIGHT, here / "out")
    said = str(refused.value).splitlines()
    for part in (
        "log.csv: line 9",
        "log2.csv, line 5",
        "users.csv names user_id 7 more than once",
        "no file matches",
    ):
        assert sum(part in line for line in said) == 1, part
    assert not (here / "out").exists()


def test_a_copy_that_finds_no_room_is_named(here: Path) -> None:
    write(here, {"log.csv.gz": gzip.compress(csv().encode())})
    (here / ".dwell/tmp").mkdir(parents=True)
    (here / ".dwell/tmp").chmod(0o500)
    if os.access(here / ".dwell/tmp", os.W_OK):
        (here / ".dwell/tmp").rmdir()
        (here / ".dwell/tmp").symlink_to("/proc")
    with pytest.raises(StorageError, match=r"no readable copy of .*log.csv.gz could be made"):
        default_as_of(source(here))


@pytest.mark.parametrize(
    ("text", "encoding"),
    [("视频标题很好", "gbk"), ("Übermaß, naïve façade", "cp1252"), ("\x81\x8d\x8f", None)],
)
def test_an_encoding_is_guessed(text: str, encoding: str | None) -> None:
    content = b"id,title\n1," + text.encode(encoding or "latin-1")
    assert guess(content) == encoding


def test_utf8_is_no_other_encoding() -> None:
    assert not_utf8(["音乐\n".encode(), b"\xef\xbb\xbfx\n"]) is None
