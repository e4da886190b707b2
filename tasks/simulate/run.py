"""Write simulated days, one hour at a time, so that memory does not grow with the rows of a day."""

import contextlib
import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from tasks.core.cluster import HERE, ClusterConfig, partition_map
from tasks.core.contract import KEY, candidates_schema, polars_schema
from tasks.core.days import DAY_MS, HOUR_MS
from tasks.core.files import writing
from tasks.core.layout import partition
from tasks.core.parquet import ORDER, PartWriter, write_frame
from tasks.core.remote import Files
from tasks.simulate import counters, disorder, events
from tasks.simulate.calibration import calibrate
from tasks.simulate.config import SimulatorConfig
from tasks.simulate.counters import Ids
from tasks.simulate.events import Columns, Today
from tasks.simulate.users import Users
from tasks.simulate.videos import Videos
from tasks.simulate.world import alive_users, alive_videos, day_index, midnight_ms

TRUTH_SCHEMA: dict[str, pl.DataType] = {
    **{name: pl.Int64() for name in KEY},
    "policy": pl.String(),
    "exposure_probability": pl.Float64(),
    "preference": pl.Float64(),
    "expected_watch_seconds": pl.Float64(),
    "exposure_noise": pl.Float32(),
    "preference_noise": pl.Float32(),
}
"""Columns of the truth about every row, in the order of the rows: g_r and E[min(play, d)] on the row's own scene."""

TRUTH_ONLY = ("preference", "exposure_noise", "preference_noise", "skip", "true_duration_ms")
_NEXT_DAY_BLOCK = 24
_POLICY = pl.when("random").then(pl.lit("random")).otherwise(pl.lit("standard"))


@dataclass(frozen=True)
class Simulation:
    """What was written.

    Attributes:
        days: the days, in order.
        rows: impressions by day, copies and dirt included.
        folder: where they lie.
    """

    days: tuple[dt.date, ...]
    rows: tuple[int, ...]
    folder: Path


def simulate(
    config: SimulatorConfig, days: Sequence[dt.date], out: Path, truth: bool = False, cluster: ClusterConfig = HERE
) -> Simulation:
    """Write the contract's tables for some days below `out`, and the truth about every row if asked for.

    Args:
        config: the simulated world.
        days: any days, in any order; each is made without the others.
        out: gets impressions/day=D/part.parquet, users.parquet, videos.parquet, traits.parquet of a world that has some, and,
            for the truth, truth/day=D/part.parquet.
        truth: whether to write the truth.
        cluster: where days are made.

    Raises:
        ConfigError: if a day lies before the first day.
        MachineError: if workers of the cluster are lost, or would give other bytes.
        StorageError: if the disk is full or the folder cannot be written.
    """
    ordered = sorted(days)
    for day in ordered:
        day_index(config, day)  # refuses one that lies before the first, before anything is written
    out.mkdir(parents=True, exist_ok=True)
    with partition_map(cluster, out) as over_days:
        rows = over_days(partial(_write, config, out, truth), ordered, partial(_files, out, truth))
    with writing(out / "users.parquet") as path:
        write_frame(users_table(config, ordered), path)
    with writing(out / "videos.parquet") as path:
        write_frame(videos_table(config, ordered), path)
    traits = traits_table(config, ordered)
    if traits is not None:
        with writing(out / "traits.parquet") as path:
            write_frame(traits, path)
    return Simulation(tuple(ordered), tuple(rows), out)


def _write(config: SimulatorConfig, out: Path, truth: bool, day: dt.date) -> int:
    with contextlib.ExitStack() as stack:
        rows, *truths = (stack.enter_context(writing(path)) for path in _files(out, truth, day).writes)
        return write_day(config, day, rows, *truths)


def _files(out: Path, truth: bool, day: dt.date) -> Files:
    tables = ("impressions", "truth") if truth else ("impressions",)
    return Files((), tuple(partition(out / table, day) for table in tables))


def simulate_days(
    config: SimulatorConfig,
    out: Path,
    days: int = 15,
    rows_per_day: int | None = None,
    truth: bool = False,
    cluster: ClusterConfig = HERE,
) -> dict[str, Any]:
    """Write the first `days` days of a world, resized to `rows_per_day` impressions; return a summary."""
    world = config if rows_per_day is None else config.scaled(rows_per_day)
    chosen = [world.start_day + dt.timedelta(days=i) for i in range(days)]
    return {**asdict(simulate(world, chosen, out, truth, cluster)), "users": world.users, "videos": world.videos}


def write_day(config: SimulatorConfig, day: dt.date, part: Path, truth: Path | None = None) -> int:
    """Write the rows that arrive on one day, sorted by event time, user and video; return how many.

    Args:
        config: the simulated world.
        day: the arrival day.
        part: Parquet file to write.
        truth: Parquet file for the truth about the same rows, in the same order.

    Raises:
        ConfigError: if the day lies before the first day.
    """
    index = day_index(config, day)
    with PartWriter(part, polars_schema("impressions")) as rows:
        if truth is None:
            for block in _blocks(config, index, truth=False):
                rows.write(_impressions(config, block))
        else:
            with PartWriter(truth, TRUTH_SCHEMA) as truths:
                for block in _blocks(config, index, truth=True):
                    rows.write(_impressions(config, block))
                    truths.write(_truth(config, block))
        return rows.rows


def day_candidates(config: SimulatorConfig, day: dt.date) -> pl.DataFrame:
    """Return the candidates that were not shown and arrive in the log on one day, as the contract has them, unsorted.

    Raises:
        ConfigError: if the day lies before the first day.
    """
    index, midnight = day_index(config, day), midnight_ms(config, day_index(config, day))
    late = config.impressions_per_day * config.next_day_share
    rng = counters.generator(config.seed, index - 1, _NEXT_DAY_BLOCK)
    block = events.hour_candidates(Today(config, index - 1), 23, late, rng)
    parts = [pl.DataFrame(block).with_columns(known_at_ms=pl.lit(midnight + HOUR_MS))] if block else []
    today, hourly = Today(config, index), config.impressions_per_day * (1 - config.next_day_share)
    for hour, share in enumerate(events.HOUR_SHARE):
        block = events.hour_candidates(today, hour, hourly * share, counters.generator(config.seed, index, hour))
        if block:
            parts.append(pl.DataFrame(block).with_columns(known_at_ms=pl.lit(midnight + (hour + 1) * HOUR_MS)))
    schema = candidates_schema(())
    whole = pl.concat(parts) if parts else pl.DataFrame(schema=schema)
    return whole.select(pl.col(name).cast(dtype) for name, dtype in schema.items())


def users_table(config: SimulatorConfig, days: Sequence[dt.date]) -> pl.DataFrame:
    """Return the users alive on any of the days, or on the day before the first."""
    return Users(config, _alive(config, days, alive_users)).table()


def videos_table(config: SimulatorConfig, days: Sequence[dt.date]) -> pl.DataFrame:
    """Return the videos alive on any of the days, or on the day before the first."""
    return Videos(config, _alive(config, days, alive_videos)).table()


def traits_table(config: SimulatorConfig, days: Sequence[dt.date]) -> pl.DataFrame | None:
    """Return the traits of the same users as they stand after the last of the days; None: the world tells none."""
    if config.traits is None:
        return None
    users = Users(config, _alive(config, days, alive_users))
    return users.trait_records(config.traits, day_index(config, max(days)))


def _alive(config: SimulatorConfig, days: Sequence[dt.date], alive: Any) -> Ids:
    indices = sorted({index for day in days for index in (day_index(config, day) - 1, day_index(config, day))})
    ids: Ids = np.unique(np.concatenate([alive(config, index) for index in indices]))
    return ids


def _blocks(config: SimulatorConfig, index: int, truth: bool) -> Iterator[pl.DataFrame]:
    """Yield all columns of the rows that arrive on a day, in order of event time.

    First what arrives a day late, then hour by hour; events dated ahead of their log entry come last.
    """
    ahead = []
    for block in (_from_the_day_before(config, index), *_hours(config, index)):
        kept = block if truth else {name: values for name, values in block.items() if name not in TRUTH_ONLY}
        frame = pl.DataFrame(kept).with_row_index("order")
        dated_ahead = pl.col("event_time_ms") >= pl.col("known_at_ms")
        ahead.append(frame.filter(dated_ahead))
        yield frame.filter(~dated_ahead).sort(*ORDER, "order")
    yield pl.concat(ahead).sort(*ORDER, "order")


def _hours(config: SimulatorConfig, index: int) -> Iterator[Columns]:
    today = Today(config, index)
    midnight = midnight_ms(config, index)
    rows = config.impressions_per_day * (1 - config.next_day_share)
    for hour, share in enumerate(events.HOUR_SHARE):
        rng = counters.generator(config.seed, index, hour)
        block = events.hour_rows(today, hour, rows * share, rng)
        block["known_at_ms"] = disorder.logged_at(
            config, block["event_time_ms"].astype(np.int64), midnight + DAY_MS, rng
        )
        yield disorder.soil(config, block, rng)


def _from_the_day_before(config: SimulatorConfig, index: int) -> Columns:
    """Return the rows of the last hour of the day before that are logged in the first two hours of this day."""
    rng = counters.generator(config.seed, index - 1, _NEXT_DAY_BLOCK)
    rows = config.impressions_per_day * config.next_day_share
    block = events.hour_rows(Today(config, index - 1), 23, rows, rng)
    block["known_at_ms"] = midnight_ms(config, index) + HOUR_MS * rng.integers(1, 3, size=len(block["user_id"]))
    return disorder.soil(config, block, rng)


def _impressions(config: SimulatorConfig, block: pl.DataFrame) -> pl.DataFrame:
    """Return a block's rows as the contract has them."""
    logged = pl.when(pl.lit(config.log_propensity) | pl.col("random")).then("probability")
    return _select(block, polars_schema("impressions"), exposure_probability=logged)


def _truth(config: SimulatorConfig, block: pl.DataFrame) -> pl.DataFrame:
    mean, duration, skip = (
        block[name].cast(pl.Float64).to_numpy() for name in ("preference", "true_duration_ms", "skip")
    )
    expected = calibrate(config).watch.expected(mean, duration / 1000, skip)
    seconds = pl.lit(pl.Series(expected, dtype=pl.Float64))
    return _select(block, TRUTH_SCHEMA, exposure_probability=pl.col("probability"), expected_watch_seconds=seconds)


def _select(block: pl.DataFrame, schema: dict[str, pl.DataType], **made: pl.Expr) -> pl.DataFrame:
    columns = {"policy": _POLICY, **made}
    return block.select(columns.get(name, pl.col(name)).cast(dtype).alias(name) for name, dtype in schema.items())
