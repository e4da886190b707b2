"""A small raw folder written by hand from the contract, with room for dirt."""

import datetime as dt
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl

from tasks.core.contract import FLAGS, IMPRESSIONS, polars_schema
from tasks.core.days import Days
from tasks.core.layout import partition

ZONE = "Asia/Shanghai"
FIRST = dt.date(2022, 4, 26)
DAYS = Days.of_night(dt.date(2022, 5, 1), fit_days=2, lookback=2)
"""Reads 26 April to 1 May: lookback to the 27th, fit on the 28th and 29th, validation on the 30th, judge on 1 May."""

HOUR = 3_600_000
Change = Callable[[pl.DataFrame], pl.DataFrame]


def start_of(day: dt.date) -> int:
    return int(dt.datetime.combine(day, dt.time(), ZoneInfo(ZONE)).timestamp()) * 1000


def sorted_rows(frame: pl.DataFrame) -> pl.DataFrame:
    first = ["event_time_ms", "user_id", "video_id"]
    return frame.sort(first + [column.name for column in IMPRESSIONS if column.name not in first], maintain_order=True)


def clean_day(day: dt.date, rows: int = 1500, seed: int = 0) -> pl.DataFrame:
    """Return one day without a fault: logged at the end of the event's hour, nothing repeated."""
    rng = np.random.default_rng([seed, day.toordinal()])
    start = start_of(day)
    event = start + np.sort(rng.choice(24 * HOUR - 1, rows, replace=False))
    video = rng.integers(0, 100, rows)
    duration = 6_000 + 900 * video
    columns = {
        "user_id": rng.integers(0, 200, rows),
        "video_id": video,
        "event_time_ms": event,
        "known_at_ms": (event // HOUR + 1) * HOUR,
        "duration_ms": duration,
        "watch_ms": (duration * rng.beta(0.7, 1.5, rows)).astype(np.int64),
        "scene": rng.integers(0, 3, rows),
        "policy": np.where(rng.random(rows) < 0.1, "random", "standard"),
        "position": rng.integers(0, 10, rows),
        "exposure_probability": rng.uniform(0.1, 1, rows),
        **{flag: (rng.random(rows) < 0.1).astype(int) for flag in FLAGS},
        "long_view": (rng.random(rows) < 0.3).astype(int),
    }
    return sorted_rows(pl.DataFrame(columns).cast(dict(polars_schema("impressions").items())))


def clean_users() -> pl.DataFrame:
    return pl.DataFrame({"user_id": range(200), "activity": [("low", "high")[i % 2] for i in range(200)]})


def clean_videos() -> pl.DataFrame:
    columns = {
        "video_id": range(100),
        "author_id": [i // 3 for i in range(100)],
        "upload_time_ms": [start_of(FIRST) - i * HOUR for i in range(100)],
        "duration_ms": [6_000 + 900 * i for i in range(100)],
        "music_id": range(100),
        "tag": [str(i % 7) for i in range(100)],
    }
    return pl.DataFrame(columns).cast(dict(polars_schema("videos").items()))


@dataclass
class RawFolder:
    """Writes data/raw; `change` lets a test spoil one day before it is written."""

    path: Path
    days: Days = DAYS
    frames: dict[dt.date, pl.DataFrame] = field(default_factory=dict)

    def write(self, first: dt.date = FIRST, rows: int = 1500) -> "RawFolder":
        for day in self.days.read:
            if day >= first:
                self.put(day, clean_day(day, rows))
        self.path.joinpath("source.json").write_text(json.dumps({"timezone": ZONE, "name": "by hand"}))
        clean_users().write_parquet(self.path / "users.parquet")
        clean_videos().write_parquet(self.path / "videos.parquet")
        return self

    def part(self, day: dt.date) -> Path:
        return partition(self.path / "impressions", day)

    def put(self, day: dt.date, frame: pl.DataFrame) -> None:
        self.frames[day] = frame
        self.part(day).parent.mkdir(parents=True, exist_ok=True)
        frame.write_parquet(self.part(day))

    def change(self, day: dt.date, change: Change) -> None:
        self.put(day, change(self.frames[day]))


def tree(folder: Path) -> dict[str, bytes]:
    """Return every file's bytes by relative name."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
