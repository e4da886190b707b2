"""The KuaiRand adapter: on the real slice against its published counts, and on small files broken one way at a time."""

import datetime as dt
import logging
import shutil
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from tasks.core.contract import polars_schema
from tasks.core.days import Days
from tasks.core.errors import SourceError
from tasks.ingest import default_as_of, ingest
from tasks.ingest.config import KuaiRandConfig

Change = Callable[[Callable[[list[str]], list[str]]], Path]
HOUR_MS = 3_600_000


def rows_of(folder: Path) -> pl.DataFrame:
    return pl.read_parquet(folder / "impressions/*/part.parquet", hive_partitioning=False)


@pytest.fixture(scope="module")
def slice_folder(shared_data: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("kuairand")
    config = KuaiRandConfig(path=str(shared_data("KuaiRand-Pure")))
    assert default_as_of(config) == dt.date(2022, 5, 4)
    result = ingest(config, Days.of_night(dt.date(2022, 5, 4), 6, 7), out)
    assert (result.rows, len(result.days), result.users, result.videos) == (171_671, 10, 27_285, 7_583)
    return out


@pytest.mark.slow
def test_slice_keeps_every_row_in_its_arrival_day(slice_folder: Path, shared_data: Callable[[str], Path]) -> None:
    log = pl.read_csv(shared_data("KuaiRand-Pure") / "data/log_standard_4_25_to_5_04_pure.csv")
    expected = dict(log.group_by("date").len().iter_rows())
    for part in sorted((slice_folder / "impressions").glob("day=*/part.parquet")):
        day = dt.date.fromisoformat(part.parent.name.removeprefix("day="))
        frame = pl.read_parquet(part)
        assert dict(frame.schema) == polars_schema("impressions")
        assert frame.height == expected.pop(int(day.strftime("%Y%m%d")))
        assert frame.equals(frame.sort("event_time_ms", "user_id", "video_id", maintain_order=True))
    assert not expected


@pytest.mark.slow
def test_slice_known_at_follows_the_logging_hour(slice_folder: Path) -> None:
    rows = rows_of(slice_folder)
    hours_late = (rows["known_at_ms"] // HOUR_MS - 1) - rows["event_time_ms"] // HOUR_MS
    assert (hours_late == 0).sum() == 141_611
    assert (hours_late == 1).sum() == 30_039
    assert hours_late.is_between(2, 3).sum() == 21
    local = 8 * HOUR_MS
    event_day = (rows["event_time_ms"] + local) // (24 * HOUR_MS)
    arrival_day = (rows["known_at_ms"] - 1 + local) // (24 * HOUR_MS)
    assert (arrival_day - event_day == 1).sum() == 1_539
    assert (arrival_day - event_day).max() == 1


def test_slice_side_tables(slice_folder: Path) -> None:
    users, videos = (pl.read_parquet(slice_folder / f"{name}.parquet") for name in ("users", "videos"))
    assert set(users.schema.values()) == {pl.Int64(), pl.String()}
    assert (users["is_live_streamer"] == "-124").mean() == pytest.approx(0.77, abs=0.01)
    assert set(users["onehot_feat12"].drop_nulls()) == {"0", "1"}
    assert users["onehot_feat12"].null_count() > 0
    assert videos.schema["upload_time_ms"] == pl.Int64()
    assert not {"visible_status", "server_width", "server_height"} & set(videos.columns)
    assert videos["tag"].str.contains(",").any()
    rows = rows_of(slice_folder)
    assert rows.join(users, on="user_id", how="anti").height == 0
    assert rows.join(videos, on="video_id", how="anti").height == 0


@pytest.mark.slow
def test_slice_bytes_repeat(slice_folder: Path, shared_data: Callable[[str], Path], tmp_path: Path) -> None:
    from tasks.core.files import hash_tree

    ingest(KuaiRandConfig(path=str(shared_data("KuaiRand-Pure"))), Days.of_night(dt.date(2022, 5, 4), 6, 7), tmp_path)
    assert hash_tree(tmp_path) == hash_tree(slice_folder)


@pytest.mark.parametrize("below", ["", "data"])
def test_path_may_be_the_folder_or_its_data(kuairand: Path, night: Days, tmp_path: Path, below: str) -> None:
    result = ingest(KuaiRandConfig(path=str(kuairand / below)), night, tmp_path / "out")
    assert (result.rows, result.users, result.videos) == (24, 4, 60)


def test_random_log_has_its_policy(write_random_log: Callable[[], Path], night: Days, tmp_path: Path) -> None:
    from tasks.core.files import read_json

    ingest(KuaiRandConfig(path=str(write_random_log())), night, tmp_path / "out")
    assert dict(rows_of(tmp_path / "out").group_by("policy").len().iter_rows()) == {"standard": 24, "random": 12}
    assert "random_exposure" in read_json(tmp_path / "out/source.json")["capabilities"]


def test_categories_are_text_without_trailing_zeros(kuairand: Path, night: Days, tmp_path: Path) -> None:
    ingest(KuaiRandConfig(path=str(kuairand)), night, tmp_path / "out")
    users = pl.read_parquet(tmp_path / "out/users.parquet")
    assert users["onehot_feat4"].to_list() == ["1", None, "3", "3"]
    assert users["is_live_streamer"].to_list() == ["-124", "1", "0", "0"]
    video = pl.read_parquet(tmp_path / "out/videos.parquet").row(1, named=True)
    assert (video["author_id"], video["music_id"], video["duration_ms"], video["tag"]) == (
        71,
        9_155_697_141,
        9_000,
        "3,1",
    )
    assert video["music_type"] == "9"
    assert dt.datetime.fromtimestamp(video["upload_time_ms"] / 1000, dt.UTC) == dt.datetime(
        2022, 4, 1, 16, tzinfo=dt.UTC
    )


def test_a_row_known_at_midnight_arrived_on_the_day_that_ends(rewrite_log: Change, night: Days, tmp_path: Path) -> None:
    line = "0,5,20220430,2300,1651330800001,1,0,0,0,0,0,0,1000,9000,0,0,0,0,1"
    ingest(KuaiRandConfig(path=str(rewrite_log(lambda lines: [*lines, line]))), night, tmp_path / "out")
    assert pl.read_parquet(tmp_path / "out/impressions/day=2022-04-30/part.parquet").height == 5


def test_period_statistics_are_ignored_with_a_warning(
    kuairand: Path, night: Days, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (kuairand / "data/video_features_statistic_pure.csv").write_text("video_id,play_cnt\n1,5\n")
    with caplog.at_level(logging.WARNING):
        ingest(KuaiRandConfig(path=str(kuairand)), night, tmp_path / "out")
    assert (
        "video_features_statistic_pure.csv ignored: averages over the whole period would leak the future" in caplog.text
    )
    assert "play_cnt" not in pl.read_parquet_schema(tmp_path / "out/videos.parquet")


def replace_field(line: int, column: int, value: str) -> Callable[[list[str]], list[str]]:
    def edit(lines: list[str]) -> list[str]:
        fields = lines[line].split(",")
        fields[column] = value
        return [*lines[:line], ",".join(fields), *lines[line + 1 :]]

    return edit


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda lines: [*lines[:3], lines[3] + ",9", *lines[4:]], r"line 5 has 20 fields, the header has 19"),
        (lambda lines: [*lines[:3], "1,2,3", *lines[4:]], r"line 5 has 3 fields, the header has 19"),
        (lambda lines: [*lines[:-1], lines[-1][:30]], r"line 25 has 5 fields, the header has 19.*deliver it again"),
        (lambda lines: [*lines[:3], "", *lines[4:]], r"line 5 is empty"),
        (replace_field(4, 12, "abc"), r"line 6: column 'play_time_ms' holds 'abc', which cannot be read as watch_ms"),
        (replace_field(4, 5, "yes"), r"line 6: column 'is_click' holds 'yes', which cannot be read as click"),
        (replace_field(4, 4, ""), r"line 6: column 'time_ms' holds None, which cannot be read as event_time_ms"),
        (replace_field(4, 2, "20221341"), r"line 6: column 'date' holds '20221341', which cannot be read as date"),
        (replace_field(4, 3, "2500"), r"line 6: column 'hourmin' holds '2500', which cannot be read as known_at_ms"),
        (replace_field(4, 17, "2"), r"line 6: column 'is_rand' holds '2', which cannot be read as policy"),
        (lambda lines: [], r"log_standard_4_25_to_4_30_pure.csv holds no rows"),
        (lambda lines: lines[:8] + lines[12:], r"no rows on 2022-04-27.*without gaps: deliver the missing days"),
        (lambda lines: lines[:20], r"holds 2022-04-25 to 2022-04-29; night 2022-04-30 lies outside"),
    ],
)
def test_broken_log_is_refused_and_earlier_output_kept(
    rewrite_log: Change, night: Days, tmp_path: Path, edit: Callable[[list[str]], list[str]], message: str
) -> None:
    from tasks.core.files import hash_tree

    config = KuaiRandConfig(path=str(rewrite_log(lambda lines: lines)))
    ingest(config, night, tmp_path / "out")
    before = hash_tree(tmp_path / "out")
    rewrite_log(edit)
    with pytest.raises(SourceError, match=message):
        ingest(config, night, tmp_path / "out")
    assert hash_tree(tmp_path / "out") == before
    assert not list(tmp_path.rglob(".dwell-*"))


def test_missing_column_is_named(kuairand: Path, night: Days, tmp_path: Path) -> None:
    log = kuairand / "data/log_standard_4_25_to_4_30_pure.csv"
    log.write_text(log.read_text().replace("play_time_ms", "play"))
    with pytest.raises(SourceError, match=r"log_standard.*lacks column 'play_time_ms'; it has user_id, video_id"):
        ingest(KuaiRandConfig(path=str(kuairand)), night, tmp_path / "out")


@pytest.mark.parametrize("name", ["user_features_pure.csv", "video_features_basic_pure.csv"])
def test_missing_table_is_named(kuairand: Path, night: Days, tmp_path: Path, name: str) -> None:
    (kuairand / "data" / name).unlink()
    with pytest.raises(SourceError, match=rf"{name} does not exist: check the path"):
        ingest(KuaiRandConfig(path=str(kuairand)), night, tmp_path / "out")


@pytest.mark.parametrize(
    ("name", "old", "new", "message"),
    [
        ("user_features_pure.csv", "\n2,high", "\n1,high", r"names user_id 1 more than once"),
        ("user_features_pure.csv", "\n2,high", "\ntwo,high", r"line 4: column 'user_id' holds 'two'"),
        ("user_features_pure.csv", ",3.0,1.0\n3,", ",3.0\n3,", r"line 4 has 4 fields, the header has 5"),
        ("video_features_basic_pure.csv", ",2022-04-02,", ",2022-99-02,", r"line 3: .*'upload_dt' holds '2022-99-02'"),
        ("video_features_basic_pure.csv", ",9000.0,", ",long,", r"'video_duration' holds 'long'"),
    ],
)
def test_broken_table_is_refused(
    kuairand: Path, night: Days, tmp_path: Path, name: str, old: str, new: str, message: str
) -> None:
    path = kuairand / "data" / name
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new, 1))
    with pytest.raises(SourceError, match=message):
        ingest(KuaiRandConfig(path=str(kuairand)), night, tmp_path / "out")


def test_wrong_variant_or_folder_is_explained(kuairand: Path) -> None:
    with pytest.raises(SourceError, match=r"holds no log_standard_\*_1k\*.csv.*set the path.*and the variant"):
        default_as_of(KuaiRandConfig(path=str(kuairand), variant="1k"))
    with pytest.raises(SourceError, match=r"nowhere is no folder: set the source's path"):
        default_as_of(KuaiRandConfig(path=str(kuairand / "nowhere")))


def test_same_file_twice_is_refused(kuairand: Path, night: Days, tmp_path: Path) -> None:
    log = kuairand / "data/log_standard_4_25_to_4_30_pure.csv"
    shutil.copy(log, kuairand / "data/log_standard_4_25_to_4_30_pure_part2.csv")
    with pytest.raises(SourceError, match=r"are the same file twice: its days would count double; remove one"):
        ingest(KuaiRandConfig(path=str(kuairand)), night, tmp_path / "out")


def test_a_day_in_two_logs_is_refused(kuairand: Path, night: Days, tmp_path: Path) -> None:
    log = kuairand / "data/log_standard_4_25_to_4_30_pure.csv"
    lines = log.read_text().splitlines()
    (kuairand / "data/log_standard_4_30_to_5_08_pure.csv").write_text("\n".join([lines[0], lines[-1], ""]))
    with pytest.raises(SourceError, match=r"both hold 2022-04-30: the day is there twice"):
        ingest(KuaiRandConfig(path=str(kuairand)), night, tmp_path / "out")


def test_parts_of_one_log_share_its_days(kuairand: Path, night: Days, tmp_path: Path) -> None:
    log = kuairand / "data/log_standard_4_25_to_4_30_pure.csv"
    header, *lines = log.read_text().splitlines()
    for number in (1, 2):
        part = log.with_name(log.name.replace(".csv", f"_part{number}.csv"))
        part.write_text("\n".join([header, *lines[number - 1 :: 2], ""]))
    log.unlink()
    result = ingest(KuaiRandConfig(path=str(kuairand)), night, tmp_path / "out")
    assert result.rows == 24
