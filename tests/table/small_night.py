"""A small validated night made by hand, its features by the real stage, and its table: shared by table and train tests."""

import datetime as dt
import json
from pathlib import Path

import numpy as np
import polars as pl

from tasks.core.cluster import NoCluster
from tasks.core.contract import FLAGS, conform
from tasks.core.days import Days, midnight_ms
from tasks.core.layout import partition
from tasks.features.build import build_features
from tasks.features.config import FeatureConfig, FeatureGroup

TIMEZONE = "Asia/Shanghai"
FIRST = dt.date(2024, 3, 1)
ROWS_PER_DAY = 500
USERS, VIDEOS = 60, 80
HOUR_MS = 3_600_000


def day(offset: int) -> dt.date:
    return FIRST + dt.timedelta(days=offset)


DAYS = Days((day(2), day(3), day(4)), day(5), (day(6),), lookback=2)
FEATURES = FeatureConfig(
    groups={
        "user": FeatureGroup(keys=("user_id",), statistics=("ratio", "skip")),
        "video": FeatureGroup(keys=("video_id",), statistics=("ratio", "skip")),
    },
    history_length=5,
)


def write_validated(folder: Path, rows_per_day: int = ROWS_PER_DAY, matched: float = 0.0) -> Path:
    """Write seven arrival days on which watch ratio depends on user and video; a few rows arrive a day late.

    Videos have content of three numbers, the first of which is their appeal; every 20th has none.

    Args:
        folder: to write into.
        rows_per_day: impressions.
        matched: how much more than on taste and appeal the ratio depends on how well two factors of the user match those of the
            video, which are the other two numbers of its content.
    """
    random = np.random.default_rng(11)
    taste, appeal = random.normal(size=USERS), random.normal(size=VIDEOS)
    length_ms = np.exp(random.normal(10.2, 0.8, VIDEOS)).astype(np.int64) + 3_000
    further = np.random.default_rng(12).normal(size=(VIDEOS, 2))
    factors = np.random.default_rng(13).normal(size=(USERS, 2))
    strength_UV = taste[:, None] + appeal + matched * (factors @ further.T)
    for offset in range(7):
        rows = _impressions(random, offset, rows_per_day, strength_UV, length_ms)
        path = partition(folder / "impressions", day(offset))
        path.parent.mkdir(parents=True, exist_ok=True)
        conform(rows.lazy(), "impressions", "test").collect().sort(
            "event_time_ms", "user_id", "video_id"
        ).write_parquet(path)
    users = pl.DataFrame({"user_id": range(USERS), "activity": [f"a{i % 3}" for i in range(USERS)]})
    ids = range(VIDEOS)
    videos = pl.DataFrame(
        {
            "video_id": ids,
            "author_id": [i % 15 for i in ids],
            "upload_time_ms": [midnight_ms(FIRST, TIMEZONE)] * VIDEOS,
            "duration_ms": length_ms,
            "music_id": [None if i % 5 == 0 else i % 9 for i in ids],
            "tag": [None if i % 7 == 0 else f"{i % 6}" for i in ids],
        }
    )
    content = [None if i % 20 == 19 else [appeal[i], *further[i]] for i in ids]
    videos = videos.with_columns(pl.Series("content", content, dtype=pl.List(pl.Float32)))
    conform(users.lazy(), "users", "test").collect().write_parquet(folder / "users.parquet")
    conform(videos.lazy(), "videos", "test").collect().write_parquet(folder / "videos.parquet")
    (folder / "source.json").write_text(json.dumps({"timezone": TIMEZONE, "name": "hand-made"}))
    return folder


def _impressions(
    random: np.random.Generator, offset: int, rows: int, strength_UV: np.ndarray, length_ms: np.ndarray
) -> pl.DataFrame:
    start = midnight_ms(day(offset), TIMEZONE)
    event = start + np.sort(random.integers(0, 24 * HOUR_MS, rows))
    late = random.random(rows) < 0.04
    event[late] -= 24 * HOUR_MS
    user, video = random.integers(0, USERS, rows), random.integers(0, VIDEOS, rows)
    strength = strength_UV[user, video] + random.normal(size=rows)
    watch = (length_ms[video] * np.clip(1 / (1 + np.exp(-strength)) * 1.3 - 0.1, 0, 1.2)).astype(np.int64)
    return pl.DataFrame(
        {
            "user_id": user,
            "video_id": video,
            "event_time_ms": event,
            "known_at_ms": np.maximum((event // HOUR_MS + 1) * HOUR_MS, start + HOUR_MS),
            "duration_ms": length_ms[video],
            "watch_ms": watch,
            "scene": random.integers(0, 3, rows),
            "policy": random.choice(["standard", "random"], rows, p=[0.9, 0.1]),
            "position": random.integers(0, 9, rows),
            "exposure_probability": random.uniform(0.05, 1, rows),
            **{name: (random.random(rows) < 0.1).astype(np.int8) for name in FLAGS},
            "long_view": (watch >= 18_000).astype(np.int8),
        }
    )


def write_features(
    folder: Path, rows_per_day: int = ROWS_PER_DAY, config: FeatureConfig = FEATURES, matched: float = 0.0
) -> Path:
    """Run the real features stage on the small night."""
    validated = write_validated(folder / "validated", rows_per_day, matched)
    build_features(validated, config, DAYS, folder / "features", NoCluster())
    return folder / "features"


def rewrite_rows(features: Path, when: dt.date, change: pl.Expr | list[pl.Expr]) -> None:
    """Change columns of one arrival day's feature rows."""
    path = partition(features / "rows", when)
    pl.read_parquet(path, hive_partitioning=False).with_columns(change).write_parquet(path)
