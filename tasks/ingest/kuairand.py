"""KuaiRand (Gao et al., CIKM 2022, https://kuairand.com) in its official layout, variants Pure, 1K and 27K.

The log names the hour it was written in: (`date`, `hourmin`) in UTC+8. A row is known at the end of that hour and
arrives on that date, which is not always the date of its event. Rows of the random log have policy "random".

Server sizes and `visible_status` of the video are left out: they describe the state at the time of export. So are
`video_features_statistic_*.csv`: averages over the whole month leak the future into every row.
"""

import datetime as dt
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

import polars as pl

from tasks.core.days import HOUR_MS
from tasks.core.errors import SourceError
from tasks.ingest.catalogue import PERIOD_STATISTICS, read_table, seen
from tasks.ingest.clock import local_ms
from tasks.ingest.columns.category import category
from tasks.ingest.columns.identity import whole_number
from tasks.ingest.columns.length import milliseconds
from tasks.ingest.columns.reading import Reading
from tasks.ingest.config import KuaiRandConfig
from tasks.ingest.folder import data_folder
from tasks.ingest.forms.delimited import official
from tasks.ingest.log_file import LogFile
from tasks.ingest.logs import FileSource, LogFiles

_FLAGS = {
    "click": "is_click",
    "like": "is_like",
    "follow": "is_follow",
    "comment": "is_comment",
    "forward": "is_forward",
    "hate": "is_hate",
    "profile_enter": "is_profile_enter",
    "long_view": "long_view",
}
_NUMBERS = {
    "user_id": "user_id",
    "video_id": "video_id",
    "event_time_ms": "time_ms",
    "duration_ms": "duration_ms",
    "watch_ms": "play_time_ms",
    "scene": "tab",
    **_FLAGS,
}
_LOG_COLUMNS = (*_NUMBERS.values(), "date", "hourmin", "is_rand")
_NOT_CATEGORIES = ("visible_status", "server_width", "server_height")
_log = logging.getLogger(__name__)


class KuaiRandSource(FileSource):
    """The logs and tables of one variant."""

    def __init__(self, config: KuaiRandConfig, earlier: Path | None = None) -> None:
        self._folder = data_folder(Path(config.path), f"log_standard_*_{config.variant}*.csv")
        self._variant = config.variant
        self.name = f"kuairand-{config.variant}"
        self.timezone: str = config.timezone
        standard, random = self._logs("standard"), self._logs("random")
        self.scenes: tuple[int, ...] | None = tuple(range(15))
        self.capabilities = (*_FLAGS, *(("random_exposure",) if random else ()))
        files = [self._log_file(path) for path in (*standard, *random)]
        self._files = LogFiles(files, self.timezone, {"kind": config.kind, "variant": config.variant}, earlier)
        ignored = sorted(path.name for path in self._folder.glob(f"{PERIOD_STATISTICS}*"))
        if ignored:
            _log.warning(
                "%s ignored: averages over the whole period would leak the future into every row", ", ".join(ignored)
            )

    def _logs(self, policy: str) -> list[Path]:
        return sorted(self._folder.glob(f"log_{policy}_*_{self._variant}*.csv"))

    def _log_file(self, path: Path) -> LogFile:
        file = official(path, _LOG_COLUMNS)
        numbers = {name: pl.col(source).cast(pl.Int64(), strict=False) for name, source in _NUMBERS.items()}
        day = pl.col("date").str.to_datetime("%Y%m%d", time_unit="ms", strict=False)
        hour = pl.col("hourmin").cast(pl.Int64(), strict=False) // 100
        started = local_ms(day, self.timezone) + HOUR_MS * pl.when(hour.is_between(0, 23)).then(hour)
        values = {
            **numbers,
            **{name: numbers[name].cast(pl.Int8(), strict=False) for name in _FLAGS},
            "scene": numbers["scene"].cast(pl.Int16(), strict=False),
            "policy": pl.col("is_rand").replace_strict({"0": "standard", "1": "random"}, default=None),
            "date": day,
            "known_at_ms": started + HOUR_MS,
        }
        origin = {**_NUMBERS, "policy": "is_rand", "date": "date", "known_at_ms": "hourmin"}
        readings = {name: Reading.where_null(source, values[name]) for name, source in origin.items()}
        others = {
            "position": pl.lit(None, dtype=pl.Int16()),
            "exposure_probability": pl.lit(None, dtype=pl.Float64()),
        }
        return LogFile(file, path.name, readings, others)

    @property
    def _days(self) -> Mapping[dt.date, int]:
        self._refuse_overlap()
        return self._files.rows_per_day

    def _refuse_overlap(self) -> None:
        """Parts of one log share its days; two logs of one policy that share a day deliver it twice."""
        whole_logs = [label for label in self._files.index if "_part" not in label]
        for label in whole_logs:
            for other in whole_logs:
                shared = set(self._files.index[label]) & set(self._files.index[other])
                if label < other and shared and label.split("_")[1] == other.split("_")[1]:
                    raise SourceError(
                        f"{self._folder}: {label} and {other} both hold {min(shared)}: the day is there twice; remove one"
                    )

    def users(self, days: Sequence[dt.date], impressions: Path) -> pl.DataFrame:
        file = official(self._folder / f"user_features_{self._variant}.csv", ["user_id"])
        readings = {"user_id": Reading.where_null("user_id", whole_number("user_id"))}
        others = {name: category(name) for name in file.names if name != "user_id"}
        return read_table(file, file.frame, "users", readings, others)

    def videos(self, days: Sequence[dt.date], impressions: Path) -> pl.DataFrame:
        origin = {name: name for name in ("video_id", "author_id", "music_id", "tag")}
        origin |= {"upload_time_ms": "upload_dt", "duration_ms": "video_duration"}
        file = official(self._folder / f"video_features_basic_{self._variant}.csv", list(origin.values()))
        uploaded = pl.col("upload_dt").str.to_datetime("%Y-%m-%d", time_unit="ms", strict=False)
        values = {
            **{name: whole_number(name) for name in ("video_id", "author_id", "music_id")},
            "upload_time_ms": local_ms(uploaded, self.timezone),
            "duration_ms": milliseconds(pl.col("video_duration"), pl.String(), "ms"),
            "tag": category("tag"),
        }
        readings = {name: Reading.where_null(source, values[name]) for name, source in origin.items()}
        others = {name: category(name) for name in file.names if name not in (*origin.values(), *_NOT_CATEGORIES)}
        frame = file.frame
        if self._variant == "27k":  # 32 million videos: keep those of the window
            shown = seen(impressions, days, "video_id").unique()
            frame = frame.join(shown, left_on=whole_number("video_id"), right_on="video_id", how="semi")
        return read_table(file, frame, "videos", readings, others)
