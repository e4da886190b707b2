"""KuaiRec (Gao et al., CIKM 2022, https://kuairec.com) in its official layout.

The log records no feedback but the watch time: every flag of the contract is 0, and the capabilities say so, so that no
tower is trained on them. long_view is left empty, to be derived. Rows of the small matrix count as uniformly exposed
(policy "random"): nearly every one of its users was shown every one of its videos. Some of its rows have no time; they
are counted, and left out.

`item_daily_features.csv` is read for what does not change from day to day (author, upload day, music ...), and its
counts, which are statistics of the day they stand for and later, are not read.
"""

import datetime as dt
from collections.abc import Sequence
from pathlib import Path

import polars as pl

from tasks.core.contract import FLAGS
from tasks.core.errors import SourceError
from tasks.ingest.catalogue import read_table
from tasks.ingest.clock import end_of_hour, local_ms
from tasks.ingest.columns.category import category
from tasks.ingest.columns.identity import whole_number
from tasks.ingest.columns.length import milliseconds
from tasks.ingest.columns.reading import Reading
from tasks.ingest.config import KuaiRecConfig
from tasks.ingest.folder import data_folder
from tasks.ingest.forms.delimited import official
from tasks.ingest.log_file import LogFile
from tasks.ingest.logs import FileSource, LogFiles

_NUMBERS = {"user_id": "user_id", "video_id": "video_id", "duration_ms": "video_duration", "watch_ms": "play_duration"}
_STATIC = ("author_id", "video_type", "upload_dt", "upload_type", "video_duration", "music_id", "video_tag_id")
_CATEGORY_LEVELS = ("first_level_category_id", "second_level_category_id", "third_level_category_id")


class KuaiRecSource(FileSource):
    """The matrices and tables."""

    name = "kuairec"

    def __init__(self, config: KuaiRecConfig, earlier: Path | None = None) -> None:
        self._folder = data_folder(Path(config.path), "*_matrix.csv")
        self.timezone: str = config.timezone
        self.scenes: tuple[int, ...] | None = (0,)
        self.capabilities: tuple[str, ...] = ("random_exposure",) if "small" in config.matrices else ()
        files = [self._log_file(name) for name in config.matrices]
        self._files = LogFiles(files, self.timezone, {"kind": config.kind}, earlier)

    def _log_file(self, matrix: str) -> LogFile:
        file = official(self._folder / f"{matrix}_matrix.csv", [*_NUMBERS.values(), "timestamp"])
        values = {name: pl.col(source).cast(pl.Int64(), strict=False) for name, source in _NUMBERS.items()}
        event = milliseconds(pl.col("timestamp"), pl.String(), "s")
        readings = {name: Reading.where_null(source, values[name]) for name, source in _NUMBERS.items()}
        readings["event_time_ms"] = Reading.where_null("timestamp", event)
        others = {
            "known_at_ms": end_of_hour(event, self.timezone),
            "scene": pl.lit(0, dtype=pl.Int16()),
            "policy": pl.lit("random" if matrix == "small" else "standard"),
            "position": pl.lit(None, dtype=pl.Int16()),
            "exposure_probability": pl.lit(None, dtype=pl.Float64()),
            **{flag: pl.lit(0, dtype=pl.Int8()) for flag in FLAGS},
            "long_view": pl.lit(None, dtype=pl.Int8()),
        }
        return LogFile(file, file.path.name, readings, others, untimed=matrix == "small")

    def users(self, days: Sequence[dt.date], impressions: Path) -> pl.DataFrame:
        file = official(self._folder / "user_features.csv", ["user_id"])
        readings = {"user_id": Reading.where_null("user_id", whole_number("user_id"))}
        others = {name: category(name) for name in file.names if name != "user_id"}
        return read_table(file, file.frame, "users", readings, others)

    def videos(self, days: Sequence[dt.date], impressions: Path) -> pl.DataFrame:
        file = official(self._folder / "item_categories.csv", ["video_id", "feat"])
        tagged = file.frame.select("video_id", tag=pl.col("feat").str.replace_all(r"[\[\]\s]", ""))
        frame = tagged.join(self._static(), on="video_id", how="left")
        levels = self._categories()
        if levels is not None:
            frame = frame.join(levels, on="video_id", how="left")
        uploaded = pl.col("upload_dt").str.to_datetime("%Y-%m-%d", time_unit="ms", strict=False)
        names = ("video_id", "author_id", "music_id")
        readings = {name: Reading.where_null(name, whole_number(name)) for name in names}
        others = {
            "upload_time_ms": local_ms(uploaded, self.timezone),
            "duration_ms": milliseconds(pl.col("video_duration"), pl.String(), "ms"),
            "tag": category("tag"),
        }
        kept = ("video_type", "upload_type", "video_tag_id", *(_CATEGORY_LEVELS if levels is not None else ()))
        return read_table(file, frame, "videos", readings, {name: category(name) for name in kept}, others)

    def _static(self) -> pl.LazyFrame:
        """Return each video's unchanging columns as its first day has them."""
        file = official(self._folder / "item_daily_features.csv", ["video_id", "date", *_STATIC])
        file.check()
        daily = file.frame.select("video_id", "date", *_STATIC)
        return daily.group_by("video_id").agg(pl.col(name).sort_by("date").first() for name in _STATIC)

    def _categories(self) -> pl.LazyFrame | None:
        """Return each video's category levels; None where the data set came without them.

        Captions hold line breaks that no reader of CSV agrees on: rows are taken apart with the csv module, and only
        those that begin with a number count.
        """
        path = self._folder / "kuairec_caption_category.csv"
        empty = {name: pl.String() for name in ("video_id", *_CATEGORY_LEVELS)}
        if not path.is_file():
            return None
        file = official(path, list(empty))
        names = file.names
        places = [names.index(name) for name in empty]
        found: dict[str, list[str]] = {}
        for fields in file.rows():
            if len(fields) == len(names) and fields[places[0]].removesuffix(".0").isdigit():
                found.setdefault(fields[places[0]].removesuffix(".0"), [fields[place] for place in places[1:]])
        if not found:
            raise SourceError(f"{path} holds no row that begins with a video's number: deliver the file again")
        return pl.LazyFrame([[video, *levels] for video, levels in found.items()], schema=empty, orient="row")
