"""Worlds whose days differ as real ones do: the simulator's stationary log, bent day by day.

The simulator has no settings for weeks and for drift, so its clean log is thinned, and what was watched is scaled.
"""

import datetime as dt
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import polars as pl

from tasks.core.layout import partition_days
from tasks.evaluate.metrics.inputs import FloatArray
from tasks.simulate.config import SimulatorConfig

START = dt.date(2026, 1, 1)
LOG = SimulatorConfig(dirt_share=0, duplicate_share=0, next_day_share=0).scaled(2_500)
QUICK_LOG = LOG.scaled(800)
Bend = Callable[[pl.DataFrame, int], pl.DataFrame]
"""Rows of a day and its number -> rows."""


def steady(rows: pl.DataFrame, number: int) -> pl.DataFrame:
    """Every day is drawn alike."""
    return rows


def weekly(rows: pl.DataFrame, number: int) -> pl.DataFrame:
    """On two days in seven all rows, watched a tenth longer; else four rows in five."""
    weekend = (START + dt.timedelta(days=number)).weekday() >= 5
    kept = np.full(rows.height, 1.0 if weekend else 0.8)
    return _scaled(_thinned(rows, kept, number), 1.1 if weekend else 1.0)


def drifting(rows: pl.DataFrame, number: int) -> pl.DataFrame:
    """What is watched grows by .3 % a day, and so does the share of the last scene: its rows from half of them to all."""
    is_last = (rows["scene"] == rows["scene"].max()).to_numpy()
    kept = np.where(is_last, min(1.0, 0.5 + number / 150), 1.0)
    return _scaled(_thinned(rows, kept, number), 1 + 0.003 * number)


WORLDS: Mapping[str, Bend] = {"steady": steady, "weekly": weekly, "drifting": drifting}


def bend(impressions: Path, world: Bend) -> None:
    """Make a stationary log one of another world, in place."""
    for day in partition_days(impressions):
        path = impressions / f"day={day.isoformat()}" / "part.parquet"
        world(pl.read_parquet(path, hive_partitioning=False), (day - START).days).write_parquet(path)


def _thinned(rows: pl.DataFrame, kept_B: FloatArray, number: int) -> pl.DataFrame:
    return rows.filter(np.random.default_rng(number).random(rows.height) < kept_B)


def _scaled(rows: pl.DataFrame, factor: float) -> pl.DataFrame:
    return rows.with_columns((pl.col("watch_ms") * factor).round().cast(pl.Int64))
