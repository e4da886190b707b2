"""The features stage in turns with its twins, each in a process of its own on one thread; then the stage on a night one day later."""

import datetime as dt
import statistics
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.features.log import Log
from benchmarks.features.twins import TWINS
from benchmarks.parts.part import Options, Table
from benchmarks.parts.process import Cost, cost_of
from benchmarks.parts.turns import DWELL, Pace
from benchmarks.scale import DAYS, PREPARE, environment, make_workspace, run_in, stage_command
from tasks.core.errors import SourceError
from tasks.core.files import remove
from tasks.core.layout import Workspace, partition_days
from tasks.features.partitions import count_rows

_QUICK, _TURNS = 30_000, 3
_ONE_THREAD = {"POLARS_MAX_THREADS": "1", "OMP_NUM_THREADS": "1"}
_FEATURES = stage_command("features")


def run(options: Options) -> list[Table]:
    """Return the table of stage and twins, and that of a day more."""
    assert options.rows is not None
    workspace = Workspace(options.scratch / "night")
    remove(workspace.root)
    workspace.root.mkdir()
    make_workspace(_QUICK if options.quick else options.rows, workspace.root)
    _read(workspace.root, PREPARE)
    log = Log.of(workspace.root)
    read = _rows(workspace.validated / "impressions")
    costs = _turns(workspace, 1 if options.quick else _TURNS)
    _read(workspace.root, (*PREPARE, "--as-of", str(log.days.judge[-1] + dt.timedelta(days=1))))
    later = cost_of(_FEATURES, workspace.root, _environment())
    return [_beside(costs, read, log), _a_day_more(costs[DWELL], later)]


def _read(root: Path, prepare: Sequence[str]) -> None:
    """Prepare a night and run what comes before its features."""
    for command in (prepare, stage_command("ingest"), stage_command("validate")):
        run_in(root, command)


def _turns(workspace: Workspace, turns: int) -> dict[str, list[Cost]]:
    """Let stage and twins build everything, one after the other; what the stage made last stands then.

    Raises:
        SourceError: if a twin makes another number of rows.
    """
    twin, costs = workspace.root / "twin.parquet", {name: list[Cost]() for name in (DWELL, *TWINS)}
    for _ in range(turns):
        remove(workspace.features)
        costs[DWELL].append(cost_of(_FEATURES, workspace.root, _environment()))
        made = _rows(workspace.features / "rows")
        for name in TWINS:
            command = (sys.executable, "-m", "benchmarks.features.twins", name, str(workspace.root), str(twin))
            costs[name].append(cost_of(command, workspace.root, _environment()))
            if count_rows(twin) != made:
                raise SourceError(f"{name}: {count_rows(twin)} rows in place of {made}")
            remove(twin)
    return costs


def _environment() -> dict[str, str]:
    return environment() | _ONE_THREAD


def _rows(folder: Path) -> int:
    return count_rows(*(folder / f"day={day}/part.parquet" for day in partition_days(folder)))


def _beside(costs: Mapping[str, Sequence[Cost]], read: int, log: Log) -> Table:
    pace = Pace({name: tuple(read / cost.cpu_s for cost in of) for name, of in costs.items()})
    rows = [
        [name, *_cells(of), f"{statistics.median(pace.samples[name]):,.0f}", "" if name == DWELL else pace.times(name)]
        for name, of in costs.items()
    ]
    return Table(
        title=f"The features stage on a log of {read:,} rows",
        columns=[
            "who makes them",
            "CPU-s",
            "peak MiB",
            "rows a CPU-second",
            "dwell is so many times as fast [slowest, fastest turn]",
        ],
        rows=rows,
        notes=[
            f"A simulated log of {DAYS} days; features of {len(log.days.modelled)} of them, {len(log.dense)} dense columns of {len(log.config.groups)} groups, the "
            "whole of `features.groups`, as known each morning, late rows too. Every process has one thread; its CPU time is all of it, from its start on. Medians of "
            f"{len(costs[DWELL])} turns, in which one follows the other.",
            "A test holds every dense column of both twins to that of the stage. The twins make less: no histories, no popularity, no identifiers, categories and "
            "context of a row, no state for the day that is served, no check of the log, nothing that the next night can re-use, and no bound on memory: they hold "
            "the whole log, where dwell holds a million rows or so at a time.",
        ],
        numbers={name: [vars(cost) for cost in of] for name, of in costs.items()},
    )


def _a_day_more(full: Sequence[Cost], later: Cost) -> Table:
    share = later.cpu_s / statistics.median(cost.cpu_s for cost in full)
    return Table(
        title="A day more",
        columns=["what is made", "CPU-s", "peak MiB", "of the CPU time of all"],
        rows=[["everything", *_cells(full), ""], ["what the next night adds", *_cells([later]), f"{share:.0%}"]],
        notes=[
            "dwell alone: sums of the new day, states and rows that they change; all other partitions stand by the hash of what they were made from."
        ],
        numbers=vars(later),
    )


def _cells(costs: Sequence[Cost]) -> list[str]:
    of = [statistics.median(values) for values in zip(*((cost.cpu_s, cost.peak_mib) for cost in costs), strict=True)]
    return [f"{of[0]:.1f}", f"{of[1]:,.0f}"]
