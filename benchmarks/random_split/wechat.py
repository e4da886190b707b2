"""The log of the WeChat Big Data Challenge 2021 as the protocol P-DADF has it: played, for less than ten durations.

`user_action.csv` names a day from 1 to 14 and no time, so that no feature of the past within a day can be had from it.
`play` is in milliseconds, `videoplayseconds` in seconds. The device stands where the contract has the scene.
"""

from pathlib import Path

import polars as pl

from benchmarks.random_split.split import Log, played
from tasks.core.errors import SourceError
from tasks.ingest.catalogue import read_table
from tasks.ingest.columns.category import category
from tasks.ingest.columns.identity import whole_number
from tasks.ingest.columns.length import milliseconds
from tasks.ingest.columns.reading import Reading
from tasks.ingest.folder import data_folder
from tasks.ingest.forms.delimited import official

_ACTIONS = {
    "user_id": "userid",
    "video_id": "feedid",
    "watch_ms": "play",
    "scene": "device",
    "like": "like",
    "follow": "follow",
    "comment": "comment",
    "forward": "forward",
    "profile_enter": "click_avatar",
}
_VIDEOS = {"video_id": "feedid", "author_id": "authorid", "music_id": "bgm_song_id", "duration_ms": "videoplayseconds"}


def read(folder: Path) -> Log:
    """Read the two files.

    Args:
        folder: holds user_action.csv and feed_info.csv.

    Raises:
        SourceError: if a file is missing, or holds what its columns are not for.
    """
    found = data_folder(folder, "user_action.csv")
    videos = _videos(found / "feed_info.csv")
    durations = videos.lazy().select("video_id", "duration_ms")
    actions = (
        _actions(found / "user_action.csv").lazy().join(durations, on="video_id", how="inner", maintain_order="left")
    )
    impressions = played(actions).collect()
    return Log(impressions, impressions.select("user_id").unique().sort("user_id"), videos)


def _actions(path: Path) -> pl.DataFrame:
    file = official(path, list(_ACTIONS.values()))
    file.check()
    columns = {name: whole_number(source) for name, source in _ACTIONS.items()}
    rows = file.frame.select(**columns).collect()
    for name, source in _ACTIONS.items():
        wrong = rows[name].is_null().arg_true()
        if len(wrong):
            raise SourceError(
                f"{path}, row {wrong[0] + 1} after the header: column {source!r} holds no number; mend or remove the row"
            )
    return rows


def _videos(path: Path) -> pl.DataFrame:
    singers = ["bgm_singer_id"]
    file = official(path, [*_VIDEOS.values(), "manual_tag_list", *singers])
    values = {name: whole_number(_VIDEOS[name]) for name in ("video_id", "author_id", "music_id")}
    values["duration_ms"] = milliseconds(pl.col("videoplayseconds"), pl.String(), "s")
    readings = {name: Reading.where_null(source, values[name]) for name, source in _VIDEOS.items()}
    others = {
        "upload_time_ms": pl.lit(None, dtype=pl.Int64()),
        "tag": pl.col("manual_tag_list").str.replace_all(";", ","),
    }
    return read_table(file, file.frame, "videos", readings, {name: category(name) for name in singers}, others)
