"""The ingest stage: the days of a run, adapted to the contract, with a manifest each."""

import datetime as dt
import json
import logging
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow.parquet as pq

from tasks.core.cluster import HERE, ClusterConfig, partition_map
from tasks.core.contract import IMPLAUSIBLE_TIME
from tasks.core.days import Days, midnight_ms
from tasks.core.errors import SourceError
from tasks.core.files import hash_file, hash_value, read_json, remove, unfinished, write_json, writing
from tasks.core.layout import partition
from tasks.core.manifest import code_hash
from tasks.core.parquet import write_frame
from tasks.core.partition_cache import MANIFEST, keep_only, making, stored
from tasks.core.remote import Files
from tasks.ingest.capabilities import recorded
from tasks.ingest.columns.instant import moment
from tasks.ingest.config import SourceConfig
from tasks.ingest.identities import found, refuse_collisions, without
from tasks.ingest.kuairand import KuaiRandSource
from tasks.ingest.kuairec import KuaiRecSource
from tasks.ingest.simulator import SimulatorSource
from tasks.ingest.source import CANDIDATES, NAMES, DayWriter, Source
from tasks.ingest.table import TableSource
from tasks.ingest.traits import usable

_log = logging.getLogger(__name__)
SOURCES: Mapping[str, Callable[..., Source]] = {
    "kuairand": KuaiRandSource,
    "kuairec": KuaiRecSource,
    "table": TableSource,
    "simulator": SimulatorSource,
}
"""kind of source -> adapter, made from its configuration and the folder of an earlier run"""
_BESIDE = {"identities": NAMES, "candidates": CANDIDATES}
"""Folder -> file that a day's writer may leave for it."""


@dataclass(frozen=True)
class IngestResult:
    """What ingest left in data/raw.

    Attributes:
        days: the days written or found unchanged, in order.
        rows: impressions in them.
        written: days that were made in this run; the others were re-used.
        users: rows of the users table.
        videos: rows of the videos table.
        quarantined: rows of the source that belong to no day, by reason.
        candidates: rows of the log that were not shown, kept apart.
    """

    days: tuple[dt.date, ...]
    rows: int
    written: tuple[dt.date, ...]
    users: int
    videos: int
    quarantined: Mapping[str, int] = field(default_factory=dict)
    candidates: int = 0


def ingest(source: SourceConfig, days: Days, out: Path, cluster: ClusterConfig = HERE) -> IngestResult:
    """Adapt the days of a run to the contract; every row of the source is kept, whatever it holds.

    Writes below `out`: impressions/day=D/part.parquet and manifest.json, users.parquet, videos.parquet, source.json,
    traits.parquet where traits are declared (of users who agreed alone),
    identities/ (the text of identifiers that are no numbers), and, where there are any, candidates/day=D.parquet (what the log
    marks as not shown) and set_aside.parquet: rows whose time cannot be, with `reason`, `file` and `row`.
    A day whose inputs, configuration and code are unchanged is re-used; days outside the run are removed.

    Args:
        source: where to read.
        days: what the run reads; days before the source begins are left out.
        out: data/raw.
        cluster: where days are written.

    Raises:
        MachineError: if workers of the cluster are lost, or would give other bytes.
        SourceError: if the source cannot be read, or lacks a day; what `out` held before is then still there.
        ContractError: if the configuration asks for statistics of the whole period.
        ConfigError: if too few fit days remain after the source begins.
        StorageError: if the disk is full or the folder cannot be written.
    """
    return adapt(open_source(source, out), days, out, cluster)


def adapt(adapter: Source, days: Days, out: Path, cluster: ClusterConfig = HERE) -> IngestResult:
    """Adapt the days of a run, read by an adapter that is open; everything else is as `ingest` says."""
    wanted = _days_to_read(adapter, days)
    keys = {day: _key(adapter, day) for day in wanted}
    missing = [day for day in wanted if not _stands(out, day, keys[day])]
    with (
        unfinished(out) as scratch,
        adapter.reading(missing, scratch) as write_day,
        partition_map(cluster, scratch) as over_days,
    ):
        tasks = [_Day(day, keys[day], adapter.day_inputs(day)) for day in missing]
        over_days(partial(_write_partition, out, write_day), tasks, partial(_files, out, scratch))
    tables = {
        name: table(wanted, out / "impressions")
        for name, table in (("users", adapter.users), ("videos", adapter.videos))
    }
    for name, table in tables.items():
        _write_table(without(table), out / f"{name}.parquet")
    about_traits = _write_traits(adapter, wanted, days, out / "traits.parquet")
    _write_table(found(list(tables.values())), out / "identities/tables.parquet")
    for kind in _BESIDE:
        keep_only(out / kind, wanted)
    refuse_collisions(out / "identities")
    quarantined = _set_aside(adapter, out / "set_aside.parquet")
    adapter.remember(out)
    about = _about(adapter, out / "impressions", wanted, quarantined)
    write_json(out / "source.json", about | _gaps(adapter, days) | about_traits)
    keep_only(out / "impressions", wanted)
    rows = sum(read_json(partition(out / "impressions", day, MANIFEST))["rows_out"] for day in wanted)
    refused = sum(pq.read_metadata(path).num_rows for path in (out / "candidates").glob("*.parquet"))
    users, videos = tables["users"].height, tables["videos"].height
    return IngestResult(wanted, rows, tuple(missing), users, videos, quarantined, refused)


def _write_table(frame: pl.DataFrame, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with writing(target) as path:
        write_frame(frame, path)


def _write_traits(adapter: Source, wanted: Sequence[dt.date], days: Days, target: Path) -> dict[str, Any]:
    """Write what may be used of the users' traits; return what source.json says of them."""
    records = adapter.trait_records(wanted)
    if records is None:
        remove(target)
        return {}
    kept = usable(without(records), adapter.traits, midnight_ms(days.serve, adapter.timezone))
    _write_table(kept, target)
    return {
        "traits": {name: adapter.traits[name].model_dump(mode="json") for name in sorted(adapter.traits)},
        "trait_users": {"asked": records.height, "used": kept.height},
    }


def _set_aside(adapter: Source, target: Path) -> dict[str, int]:
    """Keep the rows that belong to no day in a file of their own; return how many, by reason."""
    rows = adapter.set_aside()
    if rows.is_empty():
        remove(target)
        return {}
    _write_table(rows.with_columns(reason=pl.lit(IMPLAUSIBLE_TIME)), target)
    first = rows.row(0, named=True)
    _log.warning(
        "%d row(s) whose time cannot be are set aside in %s; the first is row %d of %s, of %s",
        rows.height, target, first["row"], first["file"], moment(first["event_time_ms"]),
    )  # fmt: skip
    return {IMPLAUSIBLE_TIME: rows.height}


def open_source(source: SourceConfig, earlier: Path | None = None) -> Source:
    """Return the adapter of a source.

    Args:
        source: its configuration.
        earlier: folder of an earlier run, which may know files that have not changed.

    Raises:
        SourceError: if the source is not there.
    """
    return SOURCES[source.kind](source, earlier)


def default_as_of(source: SourceConfig) -> dt.date:
    """Return the night that runs when none is named: the last day of the data, or what the simulator is set to.

    Raises:
        SourceError: if the source cannot be read.
    """
    return open_source(source).latest_day()


def data_path(source: SourceConfig) -> Path:
    """Return the path a source is read from; the simulator's own code where there is no data."""
    return Path(getattr(source, "path", "tasks/simulate"))


def first_day(folder: Path) -> dt.date:
    """Return the first day of the source that a folder written by ingest (or a later stage) came from.

    Raises:
        SourceError: if the folder does not say.
    """
    path = folder / "source.json"
    try:
        return dt.date.fromisoformat(read_json(path)["first_day"])
    except (OSError, json.JSONDecodeError, KeyError, TypeError, ValueError) as error:
        raise SourceError(f"{path} does not name the source's first day ({error}): run the ingest stage") from error


def _days_to_read(adapter: Source, days: Days) -> tuple[dt.date, ...]:
    first, latest = adapter.first_day(), adapter.latest_day()
    judge = days.judge[-1]
    if not adapter.holds(judge):
        where = f"{adapter.name} holds {first} to {latest}"
        if first <= judge <= latest:
            raise SourceError(f"{where}, but no row arrives on {judge}: deliver that day, or choose another as_of")
        raise SourceError(
            f"{where}; night {judge} lies outside: choose as_of between {first + dt.timedelta(days=3)} and {latest}"
        )
    days.since(first)
    wanted = tuple(day for day in days.read if day >= first)
    gaps = [day for day in wanted if not adapter.holds(day)]
    if gaps:
        named = ", ".join(day.isoformat() for day in gaps)
        raise SourceError(
            f"{adapter.name} has no rows on {named}, but the run reads {wanted[0]} to {wanted[-1]} without gaps: "
            "deliver the missing days, choose an as_of whose window avoids them, or accept them for good: "
            f'window.accepted_gaps: {{"{gaps[0]}": why}}'
        )
    return wanted


def _key(adapter: Source, day: dt.date) -> str:
    about = {"source": adapter.name, "timezone": adapter.timezone, "inputs": adapter.day_inputs(day)}
    return hash_value({**about, "day": day.isoformat(), "code": _code()})


def _code() -> str:
    return code_hash("ingest", "core/identities", "core/parquet", "core/partition_cache")


def _stands(out: Path, day: dt.date, key: str) -> bool:
    manifest, part = (partition(out / "impressions", day, name) for name in (MANIFEST, "part.parquet"))
    known = stored(manifest, key, part)
    if known is None or known.get("output") != hash_file(part):
        return False
    return all(known.get(kind) == _hash_beside(out, kind, day) for kind in _BESIDE)


def _beside(out: Path, kind: str, day: dt.date) -> Path:
    return out / kind / f"day={day.isoformat()}.parquet"


def _hash_beside(out: Path, kind: str, day: dt.date) -> str | None:
    path = _beside(out, kind, day)
    return hash_file(path) if path.is_file() else None


@dataclass(frozen=True)
class _Day:
    """A day to write, the key of its partition, and what it is made from."""

    day: dt.date
    key: str
    inputs: Any


def _files(out: Path, scratch: Path, task: _Day) -> Files:
    """Return the rows that were parted for a day, and what is written of it."""
    parted = sorted(scratch.glob(f"*/day={task.day.isoformat()}"))
    written = (partition(out / "impressions", task.day).parent, *(_beside(out, kind, task.day) for kind in _BESIDE))
    return Files(tuple(parted), written)


def _write_partition(out: Path, write_day: DayWriter, task: _Day) -> None:
    day = task.day
    with making(partition(out / "impressions", day).parent, day, task.key) as (folder, manifest):
        part = folder / "part.parquet"
        rows = write_day(day, part)
        if rows == 0:
            raise SourceError(
                f"{day} is empty: no row of the source arrives on it; deliver the day, or choose another as_of"
            )
        manifest |= {
            "inputs": task.inputs,
            "code": _code(),
            "rows_in": rows,
            "rows_out": rows,
            "rows_quarantined": 0,
            "output": hash_file(part),
        }
        for kind, name in _BESIDE.items():
            target = _beside(out, kind, day)
            remove(target)
            if part.with_name(name).is_file():
                target.parent.mkdir(parents=True, exist_ok=True)
                with writing(target) as path:
                    os.replace(part.with_name(name), path)
                manifest[kind] = hash_file(target)


def _gaps(adapter: Source, days: Days) -> dict[str, Any]:
    """Return what source.json says of accepted gaps; one that holds rows after all is said aloud, and not read."""
    for day, reason in days.gaps:
        if adapter.holds(day):
            _log.warning(
                "window.accepted_gaps leaves out %s (%s), but %s holds rows of it: take it off the list to read them",
                day,
                reason,
                adapter.name,
            )
    return {"gaps": {day.isoformat(): reason for day, reason in days.gaps}} if days.gaps else {}


def _about(
    adapter: Source, impressions: Path, days: Sequence[dt.date], quarantined: Mapping[str, int]
) -> dict[str, Any]:
    found = {day.isoformat(): read_json(partition(impressions, day, MANIFEST)).get("candidates") for day in days}
    candidates = {day: content for day, content in found.items() if content is not None}
    return {
        "name": adapter.name,
        "timezone": adapter.timezone,
        "first_day": adapter.first_day().isoformat(),
        "capabilities": list(recorded(adapter.capabilities, impressions, days)),
        "scenes": None if adapter.scenes is None else list(adapter.scenes),
        **({"scene_names": list(adapter.scene_names)} if adapter.scene_names else {}),
        **({"quarantined": dict(quarantined)} if quarantined else {}),
        **({"candidates": candidates} if candidates else {}),
    }
