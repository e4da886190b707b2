"""The KuaiRec adapter on a small folder in its official layout."""

import datetime as dt
import logging
from pathlib import Path

import polars as pl
import pytest

from tasks.core.days import Days
from tasks.core.errors import SourceError
from tasks.core.files import read_json
from tasks.ingest import default_as_of, ingest
from tasks.ingest.config import KuaiRecConfig

FIRST = dt.date(2020, 7, 5)
NIGHT = Days.of_night(FIRST + dt.timedelta(days=5), 2, 2)
MATRIX = "user_id,video_id,play_duration,video_duration,time,date,timestamp,watch_ratio"


def matrix(days: int = 6) -> list[str]:
    start = dt.datetime(2020, 7, 5, 0, 8, 23, 438_000, dt.timezone(dt.timedelta(hours=8))).timestamp()
    lines = []
    for i in range(days * 3):
        seconds = start + (i // 3) * 86_400 + i % 3
        lines.append(f"{i % 2},{i % 4},{13_838 + i},10867,2020-07-05 00:08:23.438,20200705,{seconds:.3f},1.27")
    return lines


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    data = tmp_path / "KuaiRec/KuaiRec 2.0/data"
    data.mkdir(parents=True)
    (data / "big_matrix.csv").write_text("\n".join([MATRIX, *matrix(), ""]))
    untimed = "0,0,5000,10867,,,,0.46"
    (data / "small_matrix.csv").write_text("\n".join([MATRIX, *matrix(), untimed, ""]))
    (data / "user_features.csv").write_text("user_id,user_active_degree,onehot_feat4\n0,high_active,1.0\n1,UNKNOWN,\n")
    (data / "item_categories.csv").write_text('video_id,feat\n0,[8]\n1,"[27, 9]"\n2,[9]\n3,[26]\n')
    daily = "video_id,date,author_id,video_type,upload_dt,upload_type,video_duration,music_id,video_tag_id,play_cnt,video_tag_name"
    rows = [
        f"{video},202007{day:02d},3{video},NORMAL,2020-03-30,ShortImport,5966.0,38{video},{day},{day * 1000},tag"
        for day in (6, 5)
        for video in range(3)
    ]
    (data / "item_daily_features.csv").write_text("\n".join([daily, *rows, ""]))
    (data / "kuairec_caption_category.csv").write_text(
        "video_id,caption,first_level_category_id,second_level_category_id,third_level_category_id\n"
        '0,plain,8,673,-124\n1,"two\nlines",27,1180,-124\n2,bro\nken,9,1,2\n'
    )
    return tmp_path / "KuaiRec"


def test_big_matrix(folder: Path, tmp_path: Path) -> None:
    config = KuaiRecConfig(path=str(folder))
    assert default_as_of(config) == NIGHT.judge[-1]
    result = ingest(config, NIGHT, tmp_path / "out")
    assert (result.rows, result.users, result.videos) == (18, 2, 4)
    first = pl.read_parquet(tmp_path / f"out/impressions/day={FIRST}/part.parquet").row(0, named=True)
    assert first["event_time_ms"] == int(dt.datetime(2020, 7, 4, 16, 8, 23, 438_000, dt.UTC).timestamp() * 1000)
    assert first["known_at_ms"] == int(dt.datetime(2020, 7, 4, 17, tzinfo=dt.UTC).timestamp() * 1000)
    assert (first["watch_ms"], first["duration_ms"]) == (13_838, 10_867)
    assert (first["policy"], first["scene"], first["click"], first["long_view"]) == ("standard", 0, 0, None)
    assert read_json(tmp_path / "out/source.json")["capabilities"] == []


def test_videos_take_only_what_does_not_change(folder: Path, tmp_path: Path) -> None:
    ingest(KuaiRecConfig(path=str(folder)), NIGHT, tmp_path / "out")
    videos = pl.read_parquet(tmp_path / "out/videos.parquet")
    assert "play_cnt" not in videos.columns
    assert videos["tag"].to_list() == ["8", "27,9", "9", "26"]
    assert videos["author_id"].to_list() == [30, 31, 32, None]
    assert videos["duration_ms"].to_list() == [5_966, 5_966, 5_966, None]
    assert videos["video_tag_id"].to_list() == ["5", "5", "5", None]  # as of the earliest day
    assert videos["second_level_category_id"].to_list() == ["673", "1180", None, None]


def test_small_matrix_counts_as_uniform_and_rows_without_time_are_counted(
    folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        result = ingest(KuaiRecConfig(path=str(folder), matrices=("small",)), NIGHT, tmp_path / "out")
    assert result.rows == 18
    assert "small_matrix.csv: 1 rows without a time cannot be assigned to a day" in caplog.text
    rows = pl.read_parquet(tmp_path / "out/impressions/*/part.parquet", hive_partitioning=False)
    assert set(rows["policy"]) == {"random"}
    assert read_json(tmp_path / "out/source.json")["capabilities"] == ["random_exposure"]


def test_rows_without_time_are_refused_in_the_big_matrix(folder: Path) -> None:
    path = folder / "KuaiRec 2.0/data/big_matrix.csv"
    path.write_text(path.read_text() + "0,0,5000,10867,,,,0.46\n")
    with pytest.raises(SourceError, match=r"line 20: column 'timestamp' holds None"):
        default_as_of(KuaiRecConfig(path=str(folder)))


def test_missing_file_is_named(folder: Path, tmp_path: Path) -> None:
    (folder / "KuaiRec 2.0/data/item_daily_features.csv").unlink()
    with pytest.raises(SourceError, match=r"item_daily_features.csv does not exist"):
        ingest(KuaiRecConfig(path=str(folder)), NIGHT, tmp_path / "out")


def test_without_captions_there_are_no_categories_of_them(folder: Path, tmp_path: Path) -> None:
    (folder / "KuaiRec 2.0/data/kuairec_caption_category.csv").unlink()
    ingest(KuaiRecConfig(path=str(folder)), NIGHT, tmp_path / "out")
    videos = pl.read_parquet(tmp_path / "out/videos.parquet")
    assert [name for name in videos.columns if "level" in name] == []
    assert videos["tag"].to_list() == ["8", "27,9", "9", "26"]
