"""KuaiRand-Pure in the layout of KuaiVideo_x1: what runs where only its days lie. It is not KuaiVideo_x1.

Lists are made as the public conversion makes them: the *first* hundred videos that a user clicked, or did not, among those
before the row; not the last.
"""

import datetime as dt
from pathlib import Path

import polars as pl

from benchmarks.kuaivideo_x1.rows import COLUMNS, LISTS, SEPARATOR
from tasks.ingest.folder import data_folder
from tasks.ingest.forms.delimited import official

MAX_LENGTH = 100
_SOURCE = {"timestamp": "time_ms", "user_id": "user_id", "item_id": "video_id", "is_click": "is_click", "is_like": "is_like", "is_follow": "is_follow"}  # fmt: skip


def convert(folder: Path, first: dt.date, judge: dt.date, last: dt.date, out: Path) -> None:
    """Write train.csv and test.csv.

    Args:
        folder: of KuaiRand-Pure.
        first: day of train.
        judge: first day of test.
        last: day of test.
        out: folder to write to.

    Raises:
        SourceError: if a log is missing or lacks a column.
    """
    found = data_folder(folder, "log_standard_*_pure.csv")
    files = [official(path, ["date", *_SOURCE.values()]) for path in sorted(found.glob("log_standard_*_pure.csv"))]
    columns = [pl.col(source).cast(pl.Int64).alias(name) for name, source in _SOURCE.items()]
    day = pl.col("date").cast(pl.Int64).alias("date")
    log = pl.concat([file.frame.select(day, *columns) for file in files]).collect()
    log = log.filter(pl.col("date").is_between(_number(first), _number(last))).sort("timestamp", maintain_order=True)
    rows = with_lists(log)
    out.mkdir(parents=True, exist_ok=True)
    for part, of in {"train": pl.col("date") < _number(judge), "test": pl.col("date") >= _number(judge)}.items():
        rows.filter(of).select(COLUMNS).write_csv(out / f"{part}.csv")


def with_lists(log: pl.DataFrame) -> pl.DataFrame:
    """Return a log in order of time with `pos_items` and `neg_items` of what each user met before the row."""
    for name, click in zip(LISTS, (1, 0), strict=True):
        mine = pl.col("is_click") == click
        before = (mine.cast(pl.Int64).cum_sum() - mine.cast(pl.Int64)).over("user_id").clip(upper_bound=MAX_LENGTH)
        met = pl.col("item_id").filter(mine).head(MAX_LENGTH).cast(pl.String)
        lists = log.group_by("user_id").agg(met.alias("met"))
        log = log.with_columns(before=before).join(lists, on="user_id", how="left", maintain_order="left")
        text = pl.col("met").list.head(pl.col("before")).list.join(SEPARATOR)
        log = log.with_columns(text.alias(name)).drop("met", "before")
    return log


def _number(day: dt.date) -> int:
    return int(f"{day:%Y%m%d}")
