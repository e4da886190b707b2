"""What no product can afford and a simulator can: a day on which everything is exposed at random, outcomes included.

Its impressions are not in the log and share no chance with it; users, videos, taste and boredom are those of the day.
"""

import datetime as dt

import polars as pl

from tasks.core.contract import polars_schema
from tasks.core.days import HOUR_MS
from tasks.simulate import counters, events
from tasks.simulate.calibration import calibrate
from tasks.simulate.config import SimulatorConfig
from tasks.simulate.world import day_index

EXPECTED = "expected_watch_s"
_FIRST_BLOCK = 1000
"""Blocks of hours of the experiment; those of the log lie below."""


def uniform_impressions(config: SimulatorConfig, day: dt.date, rows: int) -> pl.DataFrame:
    """Return about `rows` impressions of videos drawn uniformly from those alive, shown whatever the policy thinks.

    Users, scenes and hours come as often as in the log; every row is clean and logged at the end of its hour.

    Args:
        config: the simulated world.
        day: when it happens.
        rows: expected number of impressions.

    Returns:
        The contract's columns of impressions and `expected_watch_s`, E[min(play, duration)] of the row's user, video and
        scene in seconds; in order of event time.

    Raises:
        ConfigError: if the day lies before the first day.
    """
    today = events.Today(config, day_index(config, day))
    watch = calibrate(config).watch
    parts = []
    for hour, share in enumerate(events.HOUR_SHARE):
        rng = counters.generator(config.seed, today.index, _FIRST_BLOCK + hour)
        block = pl.DataFrame(events.random_rows(today, hour, int(rng.poisson(rows * share)), rng))
        mean, duration, skip = (block[c].cast(pl.Float64).to_numpy() for c in ("preference", "duration_ms", "skip"))
        expected = pl.Series(EXPECTED, watch.expected(mean, duration / 1000, skip), dtype=pl.Float64)
        logged = (pl.col("event_time_ms") // HOUR_MS + 1) * HOUR_MS
        parts.append(block.with_columns(expected, known_at_ms=logged))
    drawn = pl.concat(parts).sort("event_time_ms", "user_id", "video_id").with_columns(policy=pl.lit("random"))
    drawn = drawn.with_columns(exposure_probability=pl.lit(None, dtype=pl.Float64))
    schema = polars_schema("impressions")
    return drawn.select(*(pl.col(name).cast(dtype) for name, dtype in schema.items()), EXPECTED)
