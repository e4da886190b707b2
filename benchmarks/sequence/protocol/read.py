"""The impressions of any source, cleaned as every night cleans them."""

import datetime as dt
from collections.abc import Sequence
from pathlib import Path

import polars as pl

from tasks.core.days import Days
from tasks.core.layout import partition
from tasks.ingest.config import SourceConfig
from tasks.ingest.stage import ingest
from tasks.validate.config import ValidationConfig
from tasks.validate.stage import validate

COLUMNS = ("user_id", "video_id", "event_time_ms", "watch_ms", "duration_ms")


def read_impressions(
    source: SourceConfig, days: Sequence[dt.date], validation: ValidationConfig, scratch: Path
) -> pl.DataFrame:
    """Return the impressions that arrive on some days and pass the row rules: the columns `feedback_log` needs.

    Args:
        source: where to read.
        days: at least four, in order and without gaps.
        validation: row and table rules.
        scratch: folder for the stages' outputs.

    Raises:
        SourceError: if the source cannot be read, or lacks a day.
        ValidationFailed: if a table rule stops it.
    """
    roles = Days(tuple(days[:-2]), days[-2], (days[-1],), lookback=0)
    ingest(source, roles, scratch / "raw")
    validate(scratch / "raw", validation, roles, scratch / "validated")
    parts = [partition(scratch / "validated/impressions", day) for day in days]
    return pl.scan_parquet(parts).select(COLUMNS).collect()
