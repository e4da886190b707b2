"""A small validated folder in the contract's layout, made by hand, and helpers over it."""

import datetime as dt
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from tasks.core.contract import conform
from tasks.core.days import HOUR_MS, Days, midnight_ms
from tasks.core.layout import partition

TIMEZONE = "Asia/Shanghai"
FIRST = dt.date(2024, 3, 1)
NUM_DAYS = 8


def day(offset: int) -> dt.date:
    return FIRST + dt.timedelta(days=offset)


@pytest.fixture(scope="session")
def days() -> Days:
    """Fit on days 3..5, validate on 6, judge on 7, look back 3: the lookback of the first fit day is the whole past."""
    return Days((day(3), day(4), day(5)), day(6), (day(7),), lookback=3)


@pytest.fixture(scope="session")
def impressions() -> pl.DataFrame:
    """Eight arrival days of 150 impressions (column `arrival`): late rows, repeats, unknown lengths, two policies."""
    random = np.random.default_rng(7)
    parts = []
    for offset in range(NUM_DAYS):
        n, start = 150, midnight_ms(day(offset), TIMEZONE)
        event = start + random.integers(0, 24 * HOUR_MS, n)
        late = random.random(n) < 0.08
        event[late] -= random.integers(1, 2 * 24 * HOUR_MS, late.sum())
        known = np.maximum((event // HOUR_MS + 1) * HOUR_MS, start + HOUR_MS)
        duration = np.exp(random.normal(10, 1, n)).astype(np.int64) + 1
        watch = (duration * random.choice([0, 0.01, 0.3, 0.8, 1.0, 2.5], n)).astype(np.int64)
        flags = {name: (random.random(n) < 0.15).astype(np.int8) for name in _FLAGS}
        parts.append(
            pl.DataFrame(
                {
                    "arrival": [day(offset)] * n,
                    "user_id": random.integers(0, 25, n),
                    "video_id": random.integers(0, 30 + offset, n),
                    "event_time_ms": event,
                    "known_at_ms": known,
                    "duration_ms": [
                        None if u < 0.15 else int(v) for u, v in zip(random.random(n), duration, strict=True)
                    ],
                    "watch_ms": watch,
                    "scene": random.integers(0, 3, n),
                    "policy": random.choice(["standard", "random"], n),
                    "position": random.integers(0, 9, n),
                    "exposure_probability": random.random(n),
                    **flags,
                    "context_country": [None if i % 9 == 0 else f"c{i % 4}" for i in range(n)],
                    "long_view": [None if u < 0.5 else int(u < 0.8) for u in random.random(n)],
                }
            )
        )
    return pl.concat(parts)


_FLAGS = ("click", "like", "follow", "comment", "forward", "hate", "profile_enter")


@pytest.fixture(scope="session")
def users() -> pl.DataFrame:
    ids = range(24)  # user 24 is in no table
    return pl.DataFrame({"user_id": ids, "activity": [f"a{i % 3}" for i in ids], "type": [f"u{i % 2}" for i in ids]})


@pytest.fixture(scope="session")
def videos() -> pl.DataFrame:
    ids = range(36)
    return pl.DataFrame(
        {
            "video_id": ids,
            "author_id": [None if i % 11 == 0 else i % 7 for i in ids],
            "upload_time_ms": [midnight_ms(day(0), TIMEZONE) - i * 24 * HOUR_MS for i in ids],
            "duration_ms": [None if i % 3 == 0 else 9_000 + 1_000 * i for i in ids],
            "music_id": [i % 4 for i in ids],
            "tag": [None if i % 13 == 0 else ["1", "2", "1,3", "2,3", "7"][i % 5] for i in ids],
            "type": [["NORMAL", "AD"][i % 2] for i in ids],
        }
    )


@pytest.fixture(scope="session")
def write_validated(users: pl.DataFrame, videos: pl.DataFrame) -> Callable[..., Path]:
    """Return a function that writes impressions and side tables as data/validated."""

    def write(folder: Path, impressions: pl.DataFrame, videos: pl.DataFrame = videos, timezone: str = TIMEZONE) -> Path:
        for (arrival,), rows in impressions.group_by("arrival"):
            path = partition(folder / "impressions", arrival)
            path.parent.mkdir(parents=True, exist_ok=True)
            table = conform(rows.drop("arrival").lazy(), "impressions", "test").collect()
            table.sort("event_time_ms", "user_id", "video_id").write_parquet(path)
        conform(users.lazy(), "users", "test").collect().write_parquet(folder / "users.parquet")
        conform(videos.lazy(), "videos", "test").collect().write_parquet(folder / "videos.parquet")
        (folder / "source.json").write_text(json.dumps({"timezone": timezone, "name": "hand-made"}))
        return folder

    return write


@pytest.fixture(scope="session")
def validated(
    tmp_path_factory: pytest.TempPathFactory, write_validated: Callable[..., Path], impressions: pl.DataFrame
) -> Path:
    return write_validated(tmp_path_factory.mktemp("validated"), impressions)
