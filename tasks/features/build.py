"""The features stage: which partitions a run needs, in three rounds of partition functions (sums, states, rows)."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from tasks.core.cluster import ClusterConfig, Map, partition_map
from tasks.core.contract import context_names
from tasks.core.days import Days
from tasks.core.errors import ConfigError, SourceError
from tasks.core.files import hash_value, read_json
from tasks.core.layout import partition, partition_days
from tasks.core.partition_cache import keep_only
from tasks.core.traits import declared
from tasks.features.config import FeatureConfig
from tasks.features.daily import DailyTask, build_daily, daily_files
from tasks.features.events import Sources
from tasks.features.partitions import Built
from tasks.features.rows import RowsTask, build_rows, rows_files
from tasks.features.schema import row_columns, write_schema
from tasks.features.side_tables import write_side_tables
from tasks.features.state import StateTask, build_state, state_files
from tasks.features.traits import write_traits


@dataclass(frozen=True)
class FeatureResult:
    """What stands in data/features after the stage.

    Attributes:
        folder: data/features.
        rows: examples per arrival day.
        states: days whose state stands.
        built: partitions made by this run.
        reused: partitions that stood already.
    """

    folder: Path
    rows: dict[dt.date, int]
    states: tuple[dt.date, ...]
    built: int
    reused: int


def build_features(
    validated: Path, config: FeatureConfig, days: Days, out: Path, cluster: ClusterConfig
) -> FeatureResult:
    """Build the point-in-time features of every modelled day, and the state that serving the next day needs.

    Args:
        validated: folder of clean impressions, users, videos and source.json.
        config: features.
        days: roles of the days.
        out: data/features; partitions that stand there and are up to date are kept, days outside the run removed.
        cluster: where the partition functions run.

    Raises:
        ConfigError: if a window is longer than the lookback, or a named column does not exist.
        SourceError: if a modelled day has no partition.
        ContractError: if a side table repeats a key, a row was known only after its arrival day, or a trait has the name of
            another feature.
    """
    _check_windows(config, days)
    present = _present(validated, days)
    source = read_json(validated / "source.json")
    out.mkdir(parents=True, exist_ok=True)
    context = context_names(pl.read_parquet_schema(partition(validated / "impressions", present[0])))
    write_side_tables(validated, out, config, context)
    write_schema(out, config, source, context, days.lookback)
    users, videos = (list(pl.read_parquet_schema(out / f"{name}.parquet")) for name in ("users", "videos"))
    write_traits(validated, out, declared(source), [*row_columns(config, users, videos, context), *videos])
    inputs = {
        day: Sources(
            partition(validated / "impressions", day), out / "users.parquet", out / "videos.parquet", source["timezone"]
        )
        for day in present
    }
    with partition_map(cluster, out) as run:
        return _build(run, inputs, config, days, out)


def _build(run: Map, inputs: dict[dt.date, Sources], config: FeatureConfig, days: Days, out: Path) -> FeatureResult:
    daily = run(
        build_daily,
        [DailyTask(day, source, config, _folder(out, "daily", day)) for day, source in inputs.items()],
        daily_files,
    )
    event_days = {built.day: built.event_days for built in daily if built.day in days.modelled}
    state_of = {
        (arrival, event): _state_day(arrival, event, days) for arrival in event_days for event in event_days[arrival]
    }
    needed = sorted({*state_of.values(), *(days.state_day(day) for day in (*days.modelled, days.serve))})
    timezone = next(iter(inputs.values())).timezone
    tags = _tags_key(out, config)
    past = {day: _lookback(daily, day, days.lookback) for day in needed}
    states = run(
        build_state,
        [StateTask(day, past[day], config, timezone, out, days.lookback, tags) for day in needed],
        state_files,
    )
    keys = {built.day: built.key for built in states}
    tasks = []
    for arrival, events in event_days.items():
        used = {event: (state_of[arrival, event], keys[state_of[arrival, event]]) for event in events}
        tasks.append(RowsTask(arrival, inputs[arrival], used, config, out))
    rows = run(build_rows, tasks, rows_files)
    for name, kept in (("daily", [*inputs]), ("state", needed), ("rows", [*days.modelled]), ("history", needed)):
        keep_only(out / name, kept)
    everything = [*daily, *states, *rows]
    reused = sum(built.reused for built in everything)
    return FeatureResult(
        out, {built.day: built.rows for built in rows}, tuple(needed), len(everything) - reused, reused
    )


def _check_windows(config: FeatureConfig, days: Days) -> None:
    if problems := config.too_long(days.lookback):
        raise ConfigError("\n".join(f"features.{problem}" for problem in problems))


def _present(validated: Path, days: Days) -> list[dt.date]:
    have = set(partition_days(validated / "impressions"))
    missing = [day.isoformat() for day in days.modelled if day not in have]
    if missing:
        raise SourceError(
            f"{validated / 'impressions'} has no partition for {', '.join(missing)}: run ingest and validate"
        )
    return [day for day in days.read if day in have]


def _state_day(arrival: dt.date, event: dt.date, days: Days) -> dt.date:
    """Return the day before whose start a row's features stop looking.

    A late row uses the state of its event day. No row may use its own partition, and before the first day read there
    is nothing to know, so all earlier event days share one empty state.
    """
    return days.state_day(max(min(arrival, event), days.read[0]))


def _lookback(daily: Sequence[Built], day: dt.date, lookback: int) -> tuple[tuple[dt.date, str], ...]:
    return tuple((built.day, built.key) for built in daily if 1 <= (day - built.day).days <= lookback)


def _tags_key(out: Path, config: FeatureConfig) -> str:
    if config.tags == "joined":
        return ""
    tags = pl.scan_parquet(out / "videos.parquet").select("tag").unique().collect()["tag"]
    return hash_value(tags.drop_nulls().sort().to_list())


def _folder(out: Path, name: str, day: dt.date) -> Path:
    return partition(out / name, day).parent
