"""A log of which nothing but identifiers is known, and in which a few users and videos have most of the impressions.

Watch time is a function of user, video and how well both go together in a few factors: rows read often can learn the factors, of rare ones
hardly the level can be learned.
"""

import datetime as dt
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from scipy.special import ndtr

from benchmarks.within_user.world import DAYS, FIRST, LENGTH_S

SEED = 20261130
LEVEL, MATCH, NOISE = 0.5, 1.5, 0.5
"""Standard deviations of user and of video, of their match, of the noise."""


@dataclass(frozen=True)
class Skewed:
    """Sizes.

    Attributes:
        users: in all.
        videos: in all.
        rows: impressions of a day.
        factors: of the match.
        power: shares of user number k, and of video number k, fall as k to minus this.
    """

    users: int = 3_000
    videos: int = 1_500
    rows: int = 6_000
    factors: int = 6
    power: float = 1.0

    def described(self) -> str:
        """Return it in words."""
        return (
            f"{self.rows:,} impressions a day of {self.users:,} users and {self.videos:,} videos, whose shares fall as rank to -{self.power:g}; watch "
            f"time is a function of user, video, their match in {self.factors} factors, and noise, standard deviations {LEVEL:g}, {LEVEL:g}, {MATCH:g}, "
            f"{NOISE:g}."
        )


def skewed_log(path: Path, world: Skewed) -> Path:
    """Write the log as one Parquet file; return its path."""
    draw = np.random.default_rng(SEED)
    total = DAYS * world.rows
    user, video = (_drawn(draw, number, total, world.power) for number in (world.users, world.videos))
    levels = [draw.normal(0, LEVEL, number) for number in (world.users, world.videos)]
    factors = [draw.normal(size=(number, world.factors)) for number in (world.users, world.videos)]
    match = (factors[0][user] * factors[1][video]).sum(axis=1) * MATCH / np.sqrt(world.factors)
    latent = levels[0][user] + levels[1][video] + match + draw.normal(0, NOISE, total)
    watch = np.round(LENGTH_S * ndtr(latent / np.sqrt(2 * LEVEL**2 + MATCH**2 + NOISE**2)), 3)
    midnight = int(dt.datetime.combine(FIRST, dt.time(), dt.UTC).timestamp())
    day = np.repeat(np.arange(DAYS), world.rows)
    columns = {
        "user": user + 1,
        "video": video + 1,
        "time_ms": (midnight + day * 86_400) * 1000 + draw.integers(0, 86_400_000, total),
        "watch_s": watch,
        "length_s": np.full(total, LENGTH_S),
    }
    pl.DataFrame(columns).sort("time_ms", "user", "video").write_parquet(path)
    return path


def _drawn(draw: np.random.Generator, number: int, total: int, power: float) -> np.ndarray:
    share = np.arange(1, number + 1) ** -power
    return draw.choice(number, total, p=share / share.sum())
