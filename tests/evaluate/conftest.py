"""Small prediction tables made to order."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from tasks.core.labels import LABELS
from tasks.core.predictions import bound_metadata

TableWriter = Callable[..., Path]


def make_table(
    rows: int = 3000, users: int = 400, seeds: int = 1, noise: float = 0.5, seed: int = 0, **changes: Any
) -> pl.DataFrame:
    """Return a prediction table in which log watch time has a known signal; `seed` draws rows, `changes` replace columns."""
    draw = np.random.default_rng(seed)
    user, video = np.sort(draw.integers(0, users, rows)), draw.integers(0, 60, rows)
    taste, appeal = draw.normal(0, 0.6, users), draw.normal(0, 0.6, 60)
    duration_ms = (1000 * np.exp(draw.normal(3, 0.8, 60))).astype(np.int64)[video] + 3000
    signal = 0.4 * np.log(duration_ms / 1000) + taste[user] + appeal[video]
    watch_ms = np.minimum((1000 * np.exp(signal + draw.normal(0, 0.8, rows))).astype(np.int64), duration_ms)
    long_view = np.where(duration_ms <= 18_000, watch_ms >= duration_ms, watch_ms >= 18_000)
    columns: dict[str, Any] = {
        "user_id": user + 1_000,
        "video_id": video + 5_000,
        "event_time_ms": 1_651_363_200_000 + np.arange(rows) * 1000,
        "day": ["2022-05-01"] * rows,
        "y_s": watch_ms / 1000,
        "duration_ms": duration_ms,
        "watch_ms": watch_ms,
        "scene": draw.integers(0, 3, rows),
        "hour": draw.integers(0, 24, rows),
        "is_new_user": (user % 7 == 0).astype(np.int8),
        "is_new_video": (video % 9 == 0).astype(np.int8),
        "popularity": draw.integers(0, 500, 60)[video],
        "policy": ["standard"] * rows,
        "exposure_probability": pl.Series([None] * rows, dtype=pl.Float64),
    }
    columns |= {label: (draw.random(rows) < 0.05).astype(np.int8) for label in LABELS}
    columns |= {
        "skip": (watch_ms < np.minimum(3000, duration_ms)).astype(np.int8),
        "long_view": long_view.astype(np.int8),
    }
    for number in range(seeds):
        guess = signal + np.random.default_rng([seed, number]).normal(0, noise, rows)
        columns[f"score_s{number}"] = guess
        columns[f"watch_mean_s{number}"] = np.minimum(np.exp(guess + 0.2), duration_ms / 1000)
        columns[f"watch_median_s{number}"] = np.minimum(np.exp(guess), duration_ms / 1000)
        columns[f"p_skip_s{number}"] = 1 / (1 + np.exp(2 * guess - 2))
        columns[f"p_long_view_s{number}"] = 1 / (1 + np.exp(4 - 1.5 * guess))
        columns[f"p_like_s{number}"] = 0.05 * np.exp(0.1 * guess)
    frame = pl.DataFrame(columns | changes)
    return frame.with_columns(pl.col("day").str.to_date())


@pytest.fixture(scope="session")
def table() -> Callable[..., pl.DataFrame]:
    """Return the function that makes a synthetic prediction table."""
    return make_table


@pytest.fixture
def write_table(tmp_path: Path) -> TableWriter:
    """Return a function that writes a table under a model's name; it makes one from keywords where none is given."""

    def write(name: str, frame: pl.DataFrame | None = None, *, truncated: bool = True, **keywords: Any) -> Path:
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        frame = make_table(**keywords) if frame is None else frame
        frame.write_parquet(folder / "judge.parquet", metadata=bound_metadata(truncated))
        return folder / "judge.parquet"

    return write
