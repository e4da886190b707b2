"""A small feature folder with planted effects: what the features stage would write, made by hand."""

import datetime as dt
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from tasks.core.days import Days, midnight_ms
from tasks.core.labels import with_labels

TIMEZONE = "Asia/Shanghai"
FIRST = dt.date(2024, 3, 1)
DAY_MS = 86_400_000
DAYS = Days(
    tuple(FIRST + dt.timedelta(days=i) for i in range(3)),
    FIRST + dt.timedelta(days=3),
    (FIRST + dt.timedelta(days=4),),
    3,
)
DENSE = ("user_rate", "noise")


def make_rows(day: dt.date, rows: int = 700) -> pl.DataFrame:
    """Return one day's rows; log watch time = 2 + effect of the video + effect of the user + noise."""
    draw = np.random.default_rng(day.toordinal())
    user, video = draw.integers(0, 80, rows), draw.integers(0, 40, rows)
    appeal, taste = 1.2 * np.sin(np.arange(40)), 0.8 * np.cos(np.arange(80))
    duration_ms = np.array([8_000, 20_000, 45_000, 120_000])[video % 4]
    watch_ms = (1000 * np.exp(2 + appeal[video] + taste[user] + draw.normal(0, 0.5, rows))).astype(np.int64)
    event = midnight_ms(day, TIMEZONE) + np.sort(draw.integers(0, DAY_MS - 7_200_000, rows))
    flags = {name: (draw.random(rows) < 0.1).astype(np.int8) for name in _FLAGS}
    frame = pl.DataFrame(
        {
            "user_id": user,
            "video_id": video,
            "event_time_ms": event,
            "known_at_ms": event + 3_600_000,
            "event_day": [day] * rows,
            "arrival_day": [day] * rows,
            "state_day": [day] * rows,
            "scene": (user % 3).astype(np.int16),
            "hour": draw.integers(0, 24, rows).astype(np.int16),
            "level": np.array(["low", "mid", "high"])[user % 3],
            "duration_ms": duration_ms,
            "watch_ms": watch_ms,
            "policy": ["standard"] * rows,
            "position": [0] * rows,
            "exposure_probability": [0.5] * rows,
            "is_new_user": (user == 0).astype(np.int8),
            "is_new_video": (video == 0).astype(np.int8),
            "popularity": video,
            "user_rate": np.where(user == 3, np.nan, taste[user] + appeal[video]),
            "noise": draw.normal(0, 1, rows),
            "long_view": pl.Series([None] * rows, dtype=pl.Int8),
            **flags,
        }
    )
    return with_labels(frame.lazy()).collect()


_FLAGS = ("click", "like", "follow", "comment", "forward", "hate", "profile_enter")


def write_features(folder: Path, change: Callable[[dt.date, pl.DataFrame], pl.DataFrame] | None = None) -> Path:
    """Write rows of every modelled day and schema.json; `change` may alter a day's rows."""
    for day in DAYS.modelled:
        frame = make_rows(day)
        path = folder / "rows" / f"day={day.isoformat()}" / "part.parquet"
        path.parent.mkdir(parents=True)
        (change(day, frame) if change else frame).write_parquet(path)
    schema = {
        "categorical": [{"name": name} for name in ("user_id", "video_id", "scene", "hour", "level")],
        "dense": DENSE,
        "history": {"fields": [], "length": 1},
        "config": {"groups": {}},
        "timezone": TIMEZONE,
    }
    (folder / "schema.json").write_text(json.dumps(schema))
    pl.DataFrame(schema={"video_id": pl.Int64()}).write_parquet(folder / "videos.parquet")
    return folder


@pytest.fixture(scope="session")
def features(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a small feature folder."""
    return write_features(tmp_path_factory.mktemp("features"))


@pytest.fixture
def altered_features(tmp_path: Path) -> Callable[[Callable[[dt.date, pl.DataFrame], pl.DataFrame]], Path]:
    """Return a function that writes the folder with some rows changed."""
    return lambda change: write_features(tmp_path / "altered", change)


@pytest.fixture(scope="session")
def days() -> Days:
    """Return the roles of the days."""
    return DAYS
