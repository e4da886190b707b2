"""The rows of the task in file order, dealt to train, valid and test by `date`: nothing is filtered, nothing put together.

Shapes: B rows.
"""

import datetime as dt
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from tasks.core.errors import SourceError
from tasks.evaluate.metrics.groups import Groups, encode_groups
from tasks.evaluate.metrics.inputs import FloatArray
from tasks.ingest.columns.identity import whole_number
from tasks.ingest.folder import data_folder
from tasks.ingest.forms.delimited import official

PARTS = ("train", "valid", "test")
UNKNOWN_AUTHOR = "UNK"
_NUMBERS = ("user_id", "video_id", "date", "time_ms", "tab", "duration_ms")
_VIDEOS = "video_features_basic_pure.csv"
_ANY_LOG = "log_standard_*_pure.csv"


@dataclass(frozen=True)
class Split:
    """Which days are which part, first and last included.

    Attributes:
        name: of the split, as tables and messages have it.
        train: days that are learned from.
        valid: days that select.
        test: days that are judged.
        files: logs that hold them, in this order; none: every standard log there is.
        rows: rows that each part has by the organisers' count; None: not published.
    """

    name: str
    train: tuple[dt.date, dt.date]
    valid: tuple[dt.date, dt.date]
    test: tuple[dt.date, dt.date]
    files: tuple[str, ...] = ()
    rows: tuple[int, int, int] | None = None

    def days(self, part: str) -> list[dt.date]:
        """Return the days of one part, in order."""
        first, last = getattr(self, part)
        return [first + dt.timedelta(days=i) for i in range((last - first).days + 1)]


PUBLIC = Split(
    "the public split",
    (dt.date(2022, 4, 8), dt.date(2022, 4, 21)),
    (dt.date(2022, 4, 22), dt.date(2022, 4, 28)),
    (dt.date(2022, 4, 29), dt.date(2022, 5, 8)),
    ("log_standard_4_08_to_4_21_pure.csv", "log_standard_4_22_to_5_08_pure.csv"),
    (1_141_112, 124_909, 170_588),
)
DAYS_AT_HAND = Split(
    "the days at hand",
    (dt.date(2022, 4, 25), dt.date(2022, 4, 29)),
    (dt.date(2022, 4, 30), dt.date(2022, 4, 30)),
    (dt.date(2022, 5, 1), dt.date(2022, 5, 4)),
)
"""Not the public split, of which ten days are missing: those of protocol R0."""
SPLITS = {"public": PUBLIC, "days_at_hand": DAYS_AT_HAND}


@dataclass(frozen=True, eq=False)
class TaskRows:
    """One part, in file order.

    Attributes:
        frame: row_id (0, 1, ..., the key of a submission), user_id, video_id, author_id, tab, duration_ms, time_ms, long_view.
        label_B: [B] 0/1 long views.
        users: user of each row.
    """

    frame: pl.DataFrame
    label_B: FloatArray
    users: Groups

    @classmethod
    def of(cls, frame: pl.DataFrame) -> "TaskRows":
        """Return rows in file order; they are numbered here, once."""
        label_B = frame["long_view"].to_numpy().astype(np.float64)
        return cls(frame.with_row_index("row_id"), label_B, encode_groups(frame["user_id"].to_numpy()))

    def __len__(self) -> int:
        return self.frame.height


def read(folder: Path, split: Split) -> dict[str, TaskRows]:
    """Return the parts of a split.

    Args:
        folder: holds data/, or is it.
        split: which days.

    Raises:
        SourceError: if a file or a day is missing, a value is no number, or a part has another number of rows than published.
    """
    found = data_folder(folder, _ANY_LOG)
    paths = [found / name for name in split.files] or sorted(found.glob(_ANY_LOG))
    if missing := [path.name for path in (*paths, found / _VIDEOS) if not path.is_file()]:
        raise SourceError(
            f"{found.absolute()} holds no {' and no '.join(missing)}: {split.name} needs the whole of KuaiRand-Pure there "
            "(`dwell download kuairand-pure`); the part days_at_hand needs only the logs of 25 April to 4 May 2022"
        )
    log = pl.concat([_log(path) for path in paths]).join(
        _authors(found / _VIDEOS), on="video_id", how="left", maintain_order="left"
    )
    log = log.with_columns(pl.col("author_id").fill_null(UNKNOWN_AUTHOR))
    parts = {part: _part(log, split.days(part), paths) for part in PARTS}
    counts = tuple(len(rows) for rows in parts.values())
    if split.rows is not None and split.rows != counts:
        published, given = (", ".join(f"{number:,}" for number in numbers) for numbers in (split.rows, counts))
        raise SourceError(
            f"{found.absolute()}: {split.name} has {published} rows of {', '.join(PARTS)}, these files give {given}: "
            "a file is cut or changed, `dwell download kuairand-pure`"
        )
    return parts


def _log(path: Path) -> pl.DataFrame:
    file = official(path, [*_NUMBERS, "long_view"])
    file.check()
    rows = file.frame.select(
        *(whole_number(name).alias(name) for name in _NUMBERS), pl.col("long_view").ne_missing("0").cast(pl.Int8)
    ).collect()
    for name in _NUMBERS:
        wrong = rows[name].is_null().arg_true()
        if len(wrong):
            raise SourceError(f"{path}, {file.place(wrong[0])}: column {name!r} holds no whole number; mend the line")
    return rows


def _authors(path: Path) -> pl.DataFrame:
    file = official(path, ["video_id", "author_id"])
    videos = file.frame.select(whole_number("video_id").alias("video_id"), "author_id").collect()
    return videos.unique("video_id", keep="first", maintain_order=True)


def _part(log: pl.DataFrame, days: list[dt.date], paths: list[Path]) -> TaskRows:
    dates = [int(f"{day:%Y%m%d}") for day in days]
    absent = sorted(set(dates) - set(log["date"].unique()))
    if absent:
        raise SourceError(
            f"{', '.join(str(path) for path in paths)}: no row of date {', '.join(map(str, absent))}; "
            "put the log that holds these days beside them"
        )
    return TaskRows.of(log.filter(pl.col("date").is_in(dates)).drop("date"))
