"""Days of a made-up world whose law is known: models are perfect, and what changes is what a test changes."""

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from scipy.special import ndtr

from tasks.core.labels import LABELS
from tasks.core.layout import partition
from tasks.forecast.inputs import ForecastInputs, Model
from tasks.forecast.stage import forecast
from tasks.registry.forecast import NightForecast, Served

FIRST = dt.date(2026, 1, 1)
ROWS, USERS, SPREAD = 8_000, 1_500, 0.7


def served(made: dt.date, recipe: str = "d2q") -> Served:
    """Return the model that a night fitted."""
    return Served(recipe=recipe, recipe_hash=f"hash of {recipe}", made=made)


def day_rows(day: dt.date, share: float = 0.2, level: float = 1.0) -> pl.DataFrame:
    """Return the prediction table of a day.

    Args:
        day: also seeds it.
        share: of the impressions on scene 1, where people watch longer.
        level: factor on the seconds intended, which no model knows.
    """
    rng = np.random.default_rng(day.toordinal())
    scene = (rng.random(ROWS) < share).astype(np.int64)
    duration_s = np.round(rng.uniform(20, 90, ROWS), 3)
    mu = 1.6 + 1.2 * scene + rng.normal(0, 0.5, ROWS)
    intended_s = level * np.exp(mu + rng.normal(0, SPREAD, ROWS))
    watch_s = np.round(np.minimum(intended_s, duration_s), 3)
    log_s = np.log(duration_s)
    whole = np.exp(mu + SPREAD**2 / 2) * ndtr((log_s - mu) / SPREAD - SPREAD)
    mean_s = whole + duration_s * ndtr((mu - log_s) / SPREAD)
    columns: dict[str, Any] = {
        "user_id": rng.integers(0, USERS, ROWS),
        "video_id": np.arange(ROWS),
        "event_time_ms": np.arange(ROWS) + day.toordinal() * 86_400_000,
        "day": [day] * ROWS,
        "y_s": watch_s,
        "watch_ms": np.rint(1000 * watch_s).astype(np.int64),
        "duration_ms": np.rint(1000 * duration_s).astype(np.int64),
        "scene": scene,
        **{
            name: np.zeros(ROWS, dtype=np.int8)
            for name in ("hour", "is_new_user", "is_new_video", "popularity", *LABELS)
        },
        "skip": (watch_s < 3).astype(np.int8),
        "policy": np.where(np.arange(ROWS) % 20 == 0, "random", "standard"),
        "exposure_probability": np.full(ROWS, np.nan),
        "score_s0": mu,
        "watch_mean_s0": mean_s,
        "watch_median_s0": np.minimum(np.exp(mu), duration_s),
        "p_skip_s0": ndtr((np.log(3) - mu) / SPREAD),
    }
    return pl.DataFrame(columns)


@dataclass
class Nights:
    """Nights that follow each other; every one promotes its own fit, which serves the next day, unless told otherwise.

    Attributes:
        root: where tables and features lie.
        past: records so far.
        days: those with features.
    """

    root: Path
    past: list[NightForecast] = field(default_factory=list)
    days: list[dt.date] = field(default_factory=list)

    def add(self, **world: Any) -> dt.date:
        """Let a day pass."""
        day = FIRST + dt.timedelta(days=len(self.days))
        rows = day_rows(day, **world)
        self.days.append(day)
        folder = self.root / "features/rows"
        partition(folder, day).parent.mkdir(parents=True)
        rows.write_parquet(partition(folder, day))
        rows.write_parquet(self.table(day))
        return day

    def table(self, day: dt.date) -> Path:
        """Return the prediction table of a day, which every perfect model has."""
        return self.root / f"{day}.parquet"

    def inputs(self, **changes: Any) -> ForecastInputs:
        """Return what the last night's forecast reads."""
        day, before = self.days[-1], self.days[-2]
        champion = Model(served(before), self.table(day), tuple(map(self.table, self.days[-7:-1])))
        fields: dict[str, Any] = {
            "days": tuple(self.days[-8:]),
            "features": self.root / "features",
            "champion": champion if self.past else None,
            "serves": Model(served(day), self.table(day)),
            "past": tuple(self.past),
            "truncate_watch": True,
        }
        return ForecastInputs(**(fields | changes))

    def judge(self, **changes: Any) -> NightForecast:
        """Run the stage for the last day, without a record of it."""
        return forecast(self.inputs(**changes), self.root / "out")

    def run(self, **world: Any) -> NightForecast:
        """Let a day pass and its night."""
        self.add(**world)
        self.past.append(self.judge())
        return self.past[-1]


@pytest.fixture(scope="session")
def steady(tmp_path_factory: pytest.TempPathFactory) -> Nights:
    """A week without nights, then sixteen nights on which nothing changes."""
    nights = Nights(tmp_path_factory.mktemp("steady"))
    for _ in range(7):
        nights.add()
    for _ in range(16):
        nights.run()
    return nights


@pytest.fixture
def tomorrow(steady: Nights, tmp_path: Path) -> Callable[..., Nights]:
    """Return a function that lets one more day pass after the steady ones, in a world that may be another."""

    def more(**world: Any) -> Nights:
        nights = Nights(tmp_path, list(steady.past), list(steady.days))
        for day in steady.days[-8:]:
            link = partition(tmp_path / "features/rows", day)
            link.parent.mkdir(parents=True)
            link.symlink_to(partition(steady.root / "features/rows", day))
            nights.table(day).symlink_to(steady.table(day))
        nights.add(**world)
        return nights

    return more
