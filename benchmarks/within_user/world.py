"""A log in which what a user is like outweighs what users like: three parts user, one part taste, one part noise.

Videos last alike, so that labels of one day of one user may change places and stay labels.
"""

import datetime as dt
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from scipy.special import ndtr

FIRST = dt.date(2026, 1, 1)
DAYS = 11
LENGTH_S = 30.0
USER, TASTE, NOISE = 3.0, 1.0, 1.0
"""Standard deviations."""
SEED = 20261129


@dataclass(frozen=True)
class World:
    """Who comes, and to what.

    Attributes:
        users: on a day.
        videos: there every day.
        rows: impressions of a user on a day.
        daily: whether the same users come every day, or others, of whom nothing can be known before.
    """

    users: int
    videos: int
    rows: int
    daily: bool

    def described(self) -> str:
        """Return it in words."""
        return (
            f"{self.users} {'' if self.daily else 'new '}users a day, {self.rows} impressions each of {self.videos:,} videos; watch time is a "
            f"function of user + taste for the video + noise, standard deviations {USER:g}, {TASTE:g}, {NOISE:g}."
        )


def planted_log(path: Path, world: World, *, permuted: bool = False) -> Path:
    """Write the log as one Parquet file; return its path.

    Args:
        path: file to write.
        world: what it is of.
        permuted: whether the watch times of a user's day change places.
    """
    draw = np.random.default_rng(SEED)
    of_day = np.arange(world.users)
    user = np.repeat(np.tile(of_day, DAYS) if world.daily else np.arange(DAYS * world.users), world.rows)
    day = np.repeat(np.arange(DAYS), world.users * world.rows)
    video = np.argsort(draw.random((DAYS * world.users, world.videos)), axis=1)[:, : world.rows].ravel()
    effect, taste = draw.normal(0, USER, DAYS * world.users), draw.normal(0, TASTE, world.videos)
    latent = effect[user] + taste[video] + draw.normal(0, NOISE, len(user))
    watch = np.round(LENGTH_S * ndtr(latent / np.sqrt(USER**2 + TASTE**2 + NOISE**2)), 3)
    if permuted:
        watch = draw.permuted(watch.reshape(-1, world.rows), axis=1).ravel()
    midnight = int(dt.datetime.combine(FIRST, dt.time(), dt.UTC).timestamp())
    columns = {
        "user": user + 1,
        "video": video + 1,
        "time_ms": (midnight + day * 86_400 + draw.integers(0, 86_400, len(user))) * 1000,
        "watch_s": watch,
        "length_s": np.full(len(user), LENGTH_S),
    }
    pl.DataFrame(columns).sort("time_ms", "user", "video").write_parquet(path)
    return path
