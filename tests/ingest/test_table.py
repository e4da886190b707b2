"""The generic source: CSV and Parquet mapped column by column."""

import contextlib
import datetime as dt
import gzip
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from pydantic import TypeAdapter, ValidationError

from tasks.core import cluster
from tasks.core.cluster import ClusterAddress, LocalCluster
from tasks.core.contract import candidates_schema
from tasks.core.days import Days
from tasks.core.errors import ContractError, SourceError
from tasks.core.files import hash_file, hash_tree, read_json
from tasks.ingest import default_as_of, ingest
from tasks.ingest.config import SourceConfig, TableSourceConfig
from tests.far_workers import hidden_while_workers_run

FIRST = dt.date(2024, 3, 1)
NIGHT = Days.of_night(FIRST + dt.timedelta(days=5), 2, 2)


def log(days: int = 6) -> pl.DataFrame:
    """Return a log in a shape of its own: seconds, a flag, a zone of its own."""
    start = dt.datetime.combine(FIRST, dt.time(9, 30)).timestamp() - 8 * 3600
    count = days * 5
    return pl.DataFrame(
        {
            "uid": [i % 7 for i in range(count)],
            "vid": [100 + i % 11 for i in range(count)],
            "ts": [start + (i // 5) * 86_400 + (i % 5) * 600 + 0.25 for i in range(count)],
            "play": [i % 9 + 0.5 for i in range(count)],
            "length": [10.0 + i % 11 for i in range(count)],
            "liked": [i % 2 for i in range(count)],
            "is_random": [int(i % 5 == 0) for i in range(count)],
        }
    )


MAPPING: dict[str, Any] = {
    "files": "log*",
    "time_unit": "s",
    "duration_unit": "s",
    "columns": {
        "user_id": "uid",
        "video_id": "vid",
        "event_time_ms": "ts",
        "watch_ms": "play",
        "duration_ms": "length",
        "like": "liked",
        "policy": "is_random",
        "scene": {"constant": 3},
    },
}


def source(folder: Path, **changes: Any) -> TableSourceConfig:
    value = {"kind": "table", "path": str(folder), "timezone": "Asia/Shanghai", "impressions": MAPPING, **changes}
    config = TypeAdapter(SourceConfig).validate_python(value)
    assert isinstance(config, TableSourceConfig)
    return config


def with_columns(**columns: Any) -> dict[str, Any]:
    return {**MAPPING, "columns": {**MAPPING["columns"], **columns}}


def rows_of(folder: Path) -> pl.DataFrame:
    return pl.read_parquet(folder / "impressions/*/part.parquet", hive_partitioning=False)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "source"
    path.mkdir()
    return path


def write_as(kind: str, folder: Path, frame: pl.DataFrame) -> None:
    if kind == "parquet":
        frame.write_parquet(folder / "log.parquet")
    elif kind == "csv":
        frame.write_csv(folder / "log.csv")
    elif kind == "csv.gz":
        (folder / "log.csv.gz").write_bytes(gzip.compress(frame.write_csv().encode()))
    else:
        for day, part in enumerate(frame.iter_slices(5)):
            part.write_parquet(folder / f"log-{day}.parquet")


@pytest.mark.parametrize("kind", ["parquet", "csv", "csv.gz", "parquet per day"])
def test_every_format_gives_the_same_rows(folder: Path, tmp_path: Path, kind: str) -> None:
    write_as(kind, folder, log())
    assert default_as_of(source(folder)) == NIGHT.judge[-1]
    ingest(source(folder), NIGHT, tmp_path / "out")
    rows = rows_of(tmp_path / "out")
    assert rows.height == 30
    first = rows.row(0, named=True)
    start = int(dt.datetime(2024, 3, 1, 1, 30, tzinfo=dt.UTC).timestamp() * 1000)
    assert first["event_time_ms"] == start + 250
    assert first["known_at_ms"] == start + 30 * 60_000
    assert (first["watch_ms"], first["duration_ms"], first["scene"], first["click"]) == (500, 10_000, 3, 0)
    assert (first["long_view"], first["exposure_probability"]) == (None, None)
    assert rows["policy"].to_list()[:3] == ["random", "standard", "standard"]
    assert rows["like"].to_list()[:3] == [0, 1, 0]
    assert read_json(tmp_path / "out/source.json")["capabilities"] == ["like", "random_exposure"]


@pytest.mark.slow
def test_a_dask_cluster_gives_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    write_as("parquet per day", folder, log())
    ingest(source(folder), NIGHT, tmp_path / "here")
    ingest(source(folder), NIGHT, tmp_path / "there", LocalCluster(workers=2))
    assert hash_tree(tmp_path / "there") == hash_tree(tmp_path / "here")


def test_days_that_were_parted_reach_workers_through_a_store(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a worker would do with each task, done here, while neither the log nor the output is at its place."""
    write_as("parquet per day", folder, log())
    ingest(source(folder), NIGHT, tmp_path / "here")
    monkeypatch.setattr(cluster, "_client", lambda *about: contextlib.nullcontext())
    monkeypatch.setattr(cluster, "_results", lambda client, run, tasks, dask: [run(task) for task in tasks])
    far = ClusterAddress(address="tcp://nobody:1", storage=(tmp_path / "store").as_uri())
    (tmp_path / "there").mkdir()
    with hidden_while_workers_run(folder) as times, hidden_while_workers_run(tmp_path / "there"):
        ingest(source(folder), NIGHT, tmp_path / "there/raw", far)
    assert len(times) == 1
    assert hash_tree(tmp_path / "there/raw") == hash_tree(tmp_path / "here")


MARKS = {"impressions": with_columns(shown="was_shown")}


class TestCandidatesThatWereNotShown:
    """A log may hold them, marked by 0 in a column; of a third of the rows here nothing came."""

    @pytest.fixture
    def marked(self) -> pl.DataFrame:
        refused = pl.int_range(pl.len()) % 3 == 2
        nothing = [pl.when(~refused).then(name).alias(name) for name in ("play", "liked")]
        return log().with_columns(was_shown=(~refused).cast(pl.Int64)).with_columns(nothing)

    @pytest.mark.parametrize("kind", ["csv", "parquet per day"])
    def test_are_kept_apart(self, folder: Path, tmp_path: Path, marked: pl.DataFrame, kind: str) -> None:
        write_as(kind, folder, marked)
        out = tmp_path / "out"
        ingested = ingest(source(folder, **MARKS), NIGHT, out)
        shown, refused = (marked.filter(pl.col("was_shown") == value) for value in (1, 0))
        rows = rows_of(out)
        assert ingested.rows == rows.height == shown.height
        assert ingested.candidates == refused.height
        assert rows["video_id"].to_list() == shown["vid"].to_list()
        assert "shown" not in rows.columns
        candidates = pl.read_parquet(out / "candidates/*.parquet", hive_partitioning=False)
        assert dict(candidates.schema) == candidates_schema(())
        assert candidates["user_id"].to_list() == refused["uid"].to_list()
        assert candidates["event_time_ms"].to_list() == [int(seconds * 1000) for seconds in refused["ts"]]
        named = read_json(out / "source.json")["candidates"]
        assert list(named) == [day.isoformat() for day in NIGHT.read]
        assert named[str(FIRST)] == hash_file(out / f"candidates/day={FIRST}.parquet")

    def test_are_made_again_where_they_are_gone_and_go_with_their_day(
        self, folder: Path, tmp_path: Path, marked: pl.DataFrame
    ) -> None:
        write_as("csv", folder, marked)
        out = tmp_path / "out"
        ingest(source(folder, **MARKS), NIGHT, out)
        before = hash_tree(out)
        (out / f"candidates/day={FIRST}.parquet").unlink()
        assert ingest(source(folder, **MARKS), NIGHT, out).written == (FIRST,)
        assert hash_tree(out) == before
        later = Days.of_night(NIGHT.judge[-1], 2, 1)
        ingest(source(folder, **MARKS), later, out)
        assert not (out / f"candidates/day={FIRST}.parquet").exists()

    @pytest.mark.parametrize("value", [None, 2])
    def test_a_row_that_does_not_say_is_refused(
        self, folder: Path, tmp_path: Path, marked: pl.DataFrame, value: int | None
    ) -> None:
        said = pl.when(pl.int_range(pl.len()) != 3).then("was_shown").otherwise(value)
        write_as("csv", folder, marked.with_columns(was_shown=said))
        with pytest.raises(
            SourceError, match=f"line 5: column 'was_shown' holds '?{value}'?, which cannot be read as shown"
        ):
            ingest(source(folder, **MARKS), NIGHT, tmp_path / "out")

    def test_one_answer_for_all_rows_is_no_mark(self, folder: Path) -> None:
        with pytest.raises(ValidationError, match="says nothing by it: leave shown out"):
            source(folder, impressions=with_columns(shown={"constant": 1}))


def test_tables_are_derived_where_there_are_none(folder: Path, tmp_path: Path) -> None:
    write_as("csv", folder, log())
    ingest(source(folder), NIGHT, tmp_path / "out")
    assert pl.read_parquet(tmp_path / "out/users.parquet")["user_id"].to_list() == list(range(7))
    videos = pl.read_parquet(tmp_path / "out/videos.parquet")
    assert videos["duration_ms"].to_list() == [10_000 + 1_000 * i for i in range(11)]
    assert videos["author_id"].null_count() == 11


def test_side_tables_are_mapped(folder: Path, tmp_path: Path) -> None:
    write_as("parquet", folder, log())
    pl.DataFrame({"uid": range(7), "city": list("abcdefg"), "age": [20.0, None, 3, 4, 5, 6, 7]}).write_csv(
        folder / "users.csv"
    )
    pl.DataFrame({"vid": [111, 100], "by": [5, 6], "up": [dt.date(2024, 2, 1)] * 2}).write_parquet(
        folder / "videos.parquet"
    )
    config = source(
        folder,
        users={"files": "users.csv", "columns": {"user_id": "uid"}, "categoricals": ["city", "age"]},
        videos={"files": "videos.parquet", "columns": {"video_id": "vid", "author_id": "by", "upload_time_ms": "up"}},
    )
    ingest(config, NIGHT, tmp_path / "out")
    users = pl.read_parquet(tmp_path / "out/users.parquet")
    assert users.row(0, named=True) == {"user_id": 0, "age": "20", "city": "a"}
    assert users["age"][1] is None
    videos = pl.read_parquet(tmp_path / "out/videos.parquet")
    assert videos["video_id"].to_list() == [100, 111]
    assert videos["upload_time_ms"][0] == int(dt.datetime(2024, 1, 31, 16, tzinfo=dt.UTC).timestamp() * 1000)


@pytest.mark.parametrize(
    "times",
    [
        pl.col("ts").mul(1000).cast(pl.Int64).cast(pl.Datetime("ms")).dt.replace_time_zone("UTC"),
        pl.col("ts").mul(1000).cast(pl.Int64).cast(pl.Datetime("ms")).dt.offset_by("8h"),
        pl.col("ts")
        .mul(1000)
        .cast(pl.Int64)
        .cast(pl.Datetime("ms"))
        .dt.offset_by("8h")
        .dt.to_string("%Y-%m-%dT%H:%M:%S%.3f"),
    ],
    ids=["zoned", "local", "text"],
)
def test_times_may_be_timestamps_or_text(folder: Path, tmp_path: Path, times: pl.Expr) -> None:
    log().with_columns(ts=times).write_parquet(folder / "log.parquet")
    ingest(source(folder), NIGHT, tmp_path / "out")
    start = int(dt.datetime(2024, 3, 1, 1, 30, tzinfo=dt.UTC).timestamp() * 1000)
    assert rows_of(tmp_path / "out")["event_time_ms"].min() == start + 250


def test_known_at_is_taken_where_it_is_mapped(folder: Path, tmp_path: Path) -> None:
    log(7).with_columns(logged=pl.col("ts") + 86_400).write_parquet(folder / "log.parquet")
    ingest(source(folder, impressions=with_columns(known_at_ms="logged")), NIGHT, tmp_path / "out")
    rows = rows_of(tmp_path / "out")
    assert set(rows["known_at_ms"] - rows["event_time_ms"]) == {86_400_000}
    assert not (tmp_path / f"out/impressions/day={FIRST}").exists()


def test_only_files_of_new_days_are_read(folder: Path, tmp_path: Path) -> None:
    write_as("parquet per day", folder, log(6))
    ingest(source(folder), NIGHT, tmp_path / "out")
    write_as("parquet per day", folder, log(7))
    later = Days.of_night(FIRST + dt.timedelta(days=6), 2, 2)
    result = ingest(source(folder), later, tmp_path / "out")
    assert result.written == (FIRST + dt.timedelta(days=6),)
    ingest(source(folder), later, tmp_path / "fresh")
    assert hash_tree(tmp_path / "out") == hash_tree(tmp_path / "fresh")


def truncate(folder: Path) -> None:
    path = folder / "log.parquet"
    path.write_bytes(path.read_bytes()[:-20])


def damage_pages(folder: Path) -> None:
    path = folder / "log.parquet"
    content = bytearray(path.read_bytes())
    content[4:400] = b"\0" * 396
    path.write_bytes(bytes(content))


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (truncate, r"log.parquet: no readable Parquet: it is cut off.*deliver the file again"),
        (damage_pages, r"log.parquet: no readable Parquet: it is damaged"),
        (lambda f: (f / "log.parquet").write_bytes(b""), r"log.parquet: no readable Parquet: it holds no byte"),
        (lambda f: (f / "log.parquet").unlink(), r"no file matches .*log\*: check the source's path"),
        (lambda f: log().drop("play").write_parquet(f / "log.parquet"), r"log.parquet lacks column 'play'; it has uid"),
        (lambda f: log().head(0).write_parquet(f / "log.parquet"), r"log.parquet holds no rows"),
        (
            lambda f: log().with_columns(play=pl.lit("soon")).write_parquet(f / "log.parquet"),
            r"row 1: column 'play' holds 'soon', which cannot be read as watch_ms",
        ),
        (
            lambda f: log().with_columns(is_random=pl.lit(4)).write_parquet(f / "log.parquet"),
            r"row 1: column 'is_random' holds 4, which cannot be read as policy",
        ),
        (
            lambda f: (
                log()
                .with_columns(ts=pl.when(pl.col("uid") == 3).then(None).otherwise("ts"))
                .write_parquet(f / "log.parquet")
            ),
            r"row 4: column 'ts' holds None, which cannot be read as event_time_ms",
        ),
        (lambda f: log().write_parquet(f / "log2.parquet"), r"log.parquet and log2.parquet are the same file twice"),
        (lambda f: log().write_json(f / "log.json"), r"log.json is one JSON array: write one object a line"),
    ],
)
def test_broken_files_are_refused_and_earlier_output_kept(
    folder: Path, tmp_path: Path, spoil: Any, message: str
) -> None:
    write_as("parquet", folder, log())
    ingest(source(folder), NIGHT, tmp_path / "out")
    before = hash_tree(tmp_path / "out")
    spoil(folder)
    with pytest.raises(SourceError, match=message):
        ingest(source(folder), NIGHT, tmp_path / "out")
    assert hash_tree(tmp_path / "out") == before


def test_truncated_gzip_is_refused(folder: Path) -> None:
    write_as("csv.gz", folder, pl.concat([log()] * 50))
    path = folder / "log.csv.gz"
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(SourceError, match=r"log.csv.gz"):
        default_as_of(source(folder))


def test_a_null_that_is_no_time_is_left_for_validation(folder: Path, tmp_path: Path) -> None:
    log().with_columns(play=pl.when(pl.col("uid") == 3).then(None).otherwise("play")).write_csv(folder / "log.csv")
    ingest(source(folder), NIGHT, tmp_path / "out")
    assert rows_of(tmp_path / "out")["watch_ms"].null_count() > 0


def test_period_statistics_are_refused(folder: Path) -> None:
    write_as("parquet", folder, log())
    (folder / "video_features_statistic_pure.csv").write_text("video_id,play_cnt\n1,5\n")
    videos = {"files": "video_features*.csv", "columns": {"video_id": "video_id"}, "categoricals": ["play_cnt"]}
    with pytest.raises(ContractError, match=r"averages over the whole month, so every row would know the future"):
        ingest(source(folder, videos=videos), NIGHT, folder / "out")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"timezone": "Mars/Olympus"}, "unknown time zone 'Mars/Olympus'"),
        ({"impressions": with_columns(wach_ms="play")}, r"the contract has no column 'wach_ms'"),
        ({"impressions": {**MAPPING, "unit": "s"}}, "Extra inputs"),
        ({"kind": "tabel"}, "does not match any of the expected tags"),
    ],
)
def test_wrong_configuration_is_refused(folder: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        source(folder, **changes)


def test_a_needed_column_must_be_mapped(folder: Path) -> None:
    write_as("parquet", folder, log())
    columns = {name: column for name, column in MAPPING["columns"].items() if name != "watch_ms"}
    with pytest.raises(ContractError, match=r"impressions.columns must map watch_ms"):
        default_as_of(source(folder, impressions={**MAPPING, "columns": columns}))


def test_a_lost_day_is_refused_until_a_person_accepts_it(tmp_path: Path) -> None:
    day = FIRST + dt.timedelta(days=1)
    rows = log()
    rows[:5].vstack(rows[10:]).write_csv(tmp_path / "log.csv")
    with pytest.raises(SourceError, match=f"no rows on {day}") as refused:
        ingest(source(tmp_path), NIGHT, tmp_path / "raw")
    assert f'window.accepted_gaps: {{"{day}": why}}' in str(refused.value)
    result = ingest(source(tmp_path), NIGHT.without({day: "outage"}), tmp_path / "raw")
    assert result.days == tuple(other for other in NIGHT.read if other != day)
    assert read_json(tmp_path / "raw/source.json")["gaps"] == {day.isoformat(): "outage"}
