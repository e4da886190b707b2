"""Small sources in their official layouts, to be broken one way at a time."""

import datetime as dt
from collections.abc import Callable
from pathlib import Path

import pytest

from tasks.core.days import Days

FIRST = dt.date(2022, 4, 25)
LOG_COLUMNS = (
    "user_id,video_id,date,hourmin,time_ms,is_click,is_like,is_follow,is_comment,is_forward,is_hate,long_view,play_time_ms,"
    "duration_ms,profile_stay_time,comment_stay_time,is_profile_enter,is_rand,tab"
)


def instant(day: int, hour: float) -> int:
    """Return milliseconds since 1970 UTC of an hour (UTC+8) of the n-th day."""
    midnight = dt.datetime.combine(FIRST + dt.timedelta(days=day), dt.time(), dt.timezone(dt.timedelta(hours=8)))
    return int(midnight.timestamp() * 1000 + hour * 3_600_000)


def log_lines(days: int = 6, per_day: int = 4, rand: int = 0) -> list[str]:
    """Return the lines of a log without its header, `per_day` impressions on each day."""
    lines = []
    for day in range(days):
        date = (FIRST + dt.timedelta(days=day)).strftime("%Y%m%d")
        for i in range(per_day):
            time_ms = instant(day, 10 + i + 0.5)
            lines.append(
                f"{i},{10 * day + i},{date},{(10 + i) * 100},{time_ms},1,0,0,0,0,0,0,{1000 * i},9000,0,0,0,{rand},1"
            )
    return lines


@pytest.fixture
def night() -> Days:
    """The last of six days: fits on two, two of lookback."""
    return Days.of_night(FIRST + dt.timedelta(days=5), 2, 2)


@pytest.fixture
def kuairand(tmp_path: Path) -> Path:
    """A folder in KuaiRand's layout."""
    data = tmp_path / "source/data"
    data.mkdir(parents=True)
    write_log(data / "log_standard_4_25_to_4_30_pure.csv", log_lines())
    (data / "user_features_pure.csv").write_text(
        "user_id,user_active_degree,is_live_streamer,onehot_feat4,onehot_feat17\n"
        "0,full_active,-124,1.0,\n1,UNKNOWN,1,,0.0\n2,high_active,0,3.0,1.0\n3,high_active,0,3.0,1.0\n"
    )
    videos = "".join(
        f'{i},7{i},NORMAL,2022-04-{1 + i % 20:02d},Kmovie,0.0,9000.0,720.0,1280.0,9155697141,9.0,"3,{i}"\n'
        for i in range(60)
    )
    (data / "video_features_basic_pure.csv").write_text(
        "video_id,author_id,video_type,upload_dt,upload_type,visible_status,video_duration,server_width,server_height,music_id,"
        "music_type,tag\n" + videos
    )
    return data.parent


def write_log(path: Path, lines: list[str]) -> None:
    path.write_text("\n".join([LOG_COLUMNS, *lines, ""]))


@pytest.fixture
def rewrite_log(kuairand: Path) -> Callable[[Callable[[list[str]], list[str]]], Path]:
    """Return a function that changes the lines of the log and returns the folder."""

    def change(edit: Callable[[list[str]], list[str]]) -> Path:
        write_log(kuairand / "data/log_standard_4_25_to_4_30_pure.csv", edit(log_lines()))
        return kuairand

    return change


@pytest.fixture
def write_random_log(kuairand: Path) -> Callable[[], Path]:
    """Return a function that adds a random-exposure log."""

    def write() -> Path:
        write_log(kuairand / "data/log_random_4_25_to_4_30_pure.csv", log_lines(per_day=2, rand=1))
        return kuairand

    return write
