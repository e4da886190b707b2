"""What is shown of tomorrow's lists."""

import datetime as dt
from pathlib import Path

import polars as pl

from tasks.report.config import ReportConfig
from tasks.report.sections.scores import Concentration, ListRow, scores
from tasks.report.top_k import read_lists
from tasks.score.summary import ScoreSummary

SERVED = dt.date(2026, 1, 16)


def lists_file(path: Path) -> Path:
    """Three users: video 7 is first for two of them, video 8 for one, video 9 never."""
    rows = [(1, 1, 7, 10.0), (1, 2, 8, 4.0), (2, 1, 7, 20.0), (2, 2, 9, 1.0), (3, 1, 8, 6.0), (3, 2, 7, 3.0)]
    frame = pl.DataFrame(rows, schema=["user_id", "rank", "video_id", "watch_mean"], orient="row")
    frame.with_columns(
        score=pl.col("watch_mean").cast(pl.Float32), watch_median=pl.col("watch_mean"), p_like=pl.lit(0.25)
    ).write_parquet(path)
    return path


def test_videos_are_counted_by_how_often_they_come_first(tmp_path: Path) -> None:
    found = read_lists(
        lists_file(tmp_path / "top_k.parquet"), ReportConfig(top_videos=2, example_users=1, example_length=1)
    )
    assert [(v.video_id, v.first, v.listed, v.watch_mean_s) for v in found.videos] == [
        (7, 2, 3, 11.0),
        (8, 1, 2, 5.0),
    ]
    assert found.num_videos == 3
    # Video 7 is in all three lists, 8 in two, 9 in one: of six ordered pairs of lists 3 * 2 share 7, 2 share 8.
    assert found.concentration == Concentration(lists=3, everywhere=1, most_listed=1.0, shared=8 / 6)
    assert {user: [row.video_id for row in rows] for user, rows in found.examples.items()} == {1: [7]}
    assert found.tasks == ("like",)
    assert found.examples[1][0] == ListRow(1, 7, 10.0, 10.0, 10.0, {"like": 0.25})


def test_no_examples_where_none_are_wanted(tmp_path: Path) -> None:
    found = read_lists(lists_file(tmp_path / "top_k.parquet"), ReportConfig(example_users=0))
    summary = ScoreSummary(day=SERVED, model="d2q", users=3, pool=3, pairs=9, top_k=2)
    assert not found.examples
    assert [block.kind for block in scores(summary, found).blocks] == ["text", "text", "table"]


def test_a_night_without_a_serving_model_says_so() -> None:
    (text,) = scores(ScoreSummary(day=SERVED, model=None), None).blocks
    assert text.kind == "text"
    assert "Nothing was scored for 2026-01-16" in text.text


def test_users_and_videos_may_be_text(tmp_path: Path) -> None:
    path = lists_file(tmp_path / "top_k.parquet")
    as_text = pl.read_parquet(path).with_columns(
        pl.format("<u>{}", "user_id").alias("user_id"), pl.format("v{}", "video_id").alias("video_id")
    )
    as_text.write_parquet(path)
    found = read_lists(path, ReportConfig(top_videos=2, example_users=1, example_length=1))
    assert [video.video_id for video in found.videos] == ["v7", "v8"]
    assert {user: [row.video_id for row in rows] for user, rows in found.examples.items()} == {"<u>1": ["v7"]}
