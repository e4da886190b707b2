"""KuaiRec's big matrix as the protocol P-DADF has it: played, for less than ten durations, no advertisements."""

import datetime as dt
import tempfile
from pathlib import Path

import polars as pl

from benchmarks.random_split.split import Log, played
from tasks.ingest.config import KuaiRecConfig
from tasks.ingest.stage import open_source

_USED = ("user_id", "video_id", "event_time_ms", "duration_ms", "watch_ms", "scene")


def read(folder: Path) -> Log:
    """Read the official layout.

    Args:
        folder: holds data/, or is it.

    Raises:
        SourceError: if a file is missing, or holds what its columns are not for.
    """
    source = open_source(KuaiRecConfig(path=str(folder)))
    span = (source.latest_day() - source.first_day()).days + 1
    days = [day for day in (source.first_day() + dt.timedelta(days=i) for i in range(span)) if source.holds(day)]
    with tempfile.TemporaryDirectory() as temporary:
        parts, scratch = Path(temporary) / "days", Path(temporary) / "scratch"
        parts.mkdir()
        with source.reading(days, scratch) as write_day:
            for day in days:
                write_day(day, parts / f"{day}.parquet")
        users, videos = source.users(days, parts), source.videos(days, parts)
        advertisements = videos.lazy().filter(pl.col("video_type") == "AD").select("video_id")
        rows = pl.scan_parquet(parts / "*.parquet").select(_USED).join(advertisements, on="video_id", how="anti")
        impressions = played(rows).sort(_USED).drop("event_time_ms").collect(engine="streaming")
    return Log(impressions, users, videos)
