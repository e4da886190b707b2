"""A small log whose truth is known, and models of it that differ in the noise of their fit alone.

An impression is watched to its end with probability c, else for Exp(4 s). The users of a night are drawn from one base, so
that nights overlap, and a user's taste lasts. A model believes in the true logit of c plus noise that is drawn anew for every
night, half of it shared by a user's rows: its champion-to-champion luck of one night says nothing about the next.

Shapes: B rows.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from tasks.core.labels import LABELS

FloatArray = NDArray[np.float64]

BASE, ACTIVE = 3_000, 2_100
"""Users there are, and users of a night: above the gate's minimum of 2,000."""
ROWS_PER_USER = (2, 3)
"""Alternately: 5,250 rows a night, above its minimum of 5,000."""
QUIT_AFTER_S = 4.0
SHARED = 0.5
"""Share of a fit's noise variance that the rows of a user have in common."""


@dataclass(frozen=True)
class NightLog:
    """The labelled rows of one night, and the true logit behind each."""

    frame: pl.DataFrame
    logit_B: FloatArray

    @classmethod
    def draw(cls, number: int) -> "NightLog":
        """Draw the night of this number."""
        rng = np.random.default_rng([71, number])
        users = rng.permutation(BASE)[:ACTIVE]
        user_B = np.repeat(users, np.resize(ROWS_PER_USER, ACTIVE))
        size = user_B.size
        duration = np.round(np.exp(rng.normal(3.0, 0.6, size)).clip(5, 90), 3)
        taste = np.random.default_rng(72).normal(0, 0.7, BASE)[user_B]
        logit = taste + rng.normal(0, 1.0, size) - 1.1 * np.log(duration / 20)
        complete = rng.random(size) < _share(logit)
        watched = np.where(complete, duration, np.minimum(duration, rng.exponential(QUIT_AFTER_S, size)))
        known = {
            "skip": watched < np.minimum(3, duration),
            "long_view": np.where(duration <= 18, watched >= duration, watched >= 18),
        }
        columns = {
            "user_id": user_B,
            "video_id": rng.integers(0, 500, size),
            "event_time_ms": np.arange(size) + 1_000_000 * number,
            "day": [f"2022-{5 + number // 28:02d}-{number % 28 + 1:02d}"] * size,
            "y_s": watched,
            "duration_ms": (duration * 1000).round().astype(np.int64),
            "watch_ms": (watched * 1000).round().astype(np.int64),
            "scene": rng.integers(0, 3, size),
            "hour": rng.integers(0, 24, size),
            "is_new_user": (user_B % 10 == 0).astype(np.int8),
            "is_new_video": (np.arange(size) % 7 == 0).astype(np.int8),
            "popularity": rng.integers(0, 100, size),
            "policy": ["standard"] * size,
            "exposure_probability": np.full(size, np.nan),
            **{name: known.get(name, np.zeros(size)).astype(np.int8) for name in LABELS},
        }
        return cls(pl.DataFrame(columns), logit)

    def write_model(self, path: Path, noise: float, seed: tuple[int, ...]) -> Path:
        """Write the judge table of a model whose fit is off by noise of this standard deviation in logits."""
        rng = np.random.default_rng([73, *seed])
        user_B = self.frame["user_id"].to_numpy()
        shared_B = rng.normal(0, 1, BASE)[user_B]
        own_B = rng.normal(0, 1, user_B.size)
        believed = self.logit_B + noise * (np.sqrt(SHARED) * shared_B + np.sqrt(1 - SHARED) * own_B)
        outputs = {f"{name}_s0": pl.Series(values) for name, values in self._predict(believed).items()}
        self.frame.with_columns(**outputs).write_parquet(path)
        return path

    def _predict(self, logit_B: FloatArray) -> Mapping[str, FloatArray]:
        """Return what follows from these logits; the score is the expected rank of the watch time."""
        duration, ranks = self.frame["duration_ms"].to_numpy() / 1000, np.sort(self.frame["y_s"].to_numpy())
        c = _share(logit_B)
        quits = -QUIT_AFTER_S * np.log(1 - (np.arange(20) + 0.5) / 20)
        quit_rank = np.searchsorted(ranks, np.minimum(quits[:, None], duration)).mean(axis=0)
        before_end = -QUIT_AFTER_S * np.log(np.maximum(1 - 0.5 / np.maximum(1 - c, 0.5), 1e-9))
        return {
            "score": (c * np.searchsorted(ranks, duration) + (1 - c) * quit_rank) / ranks.size,
            "watch_mean": c * duration + (1 - c) * QUIT_AFTER_S * (1 - np.exp(-duration / QUIT_AFTER_S)),
            "watch_median": np.where(c < 0.5, np.minimum(before_end, duration), duration),
            "p_skip": (1 - c) * (1 - np.exp(-np.minimum(3, duration) / QUIT_AFTER_S)),
            "p_long_view": np.where(duration <= 18, c, c + (1 - c) * np.exp(-18 / QUIT_AFTER_S)),
        }


def _share(logit_B: FloatArray) -> FloatArray:
    share: FloatArray = 1 / (1 + np.exp(-logit_B))
    return share
