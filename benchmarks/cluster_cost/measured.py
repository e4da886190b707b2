"""The data stages of a simulated night on a real Dask cluster of one and of two workers: every task timed, and bytes per row.

From what the tasks of one worker took, `schedule` says when two would end; two workers then say when they did.
"""

import os
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import yaml

from benchmarks.cluster_cost.schedule import makespan
from benchmarks.scale import REPOSITORY
from tasks.config import Params
from tasks.core.cluster import ClusterAddress
from tasks.features.build import build_features
from tasks.ingest.stage import default_as_of, ingest
from tasks.table.build import build_table
from tasks.validate.stage import validate

WORKERS = (1, 2)


@dataclass(frozen=True)
class StageRun:
    """One stage of one night on a cluster.

    Attributes:
        wall_s: of the whole stage.
        maps: seconds that each task took, for each map of the stage in its order.
        span_s: from the begin of the first to the end of the last task, summed over maps.
    """

    wall_s: float
    maps: list[list[float]]
    span_s: float

    @property
    def alone_s(self) -> float:
        """Seconds in which no task ran: what the stage's own process does, and what dealing tasks costs."""
        return self.wall_s - self.span_s

    def predicted_s(self, workers: int) -> float:
        """Return what the stage would take on so many workers of one core."""
        return self.alone_s + sum(makespan(task_s, workers) for task_s in self.maps)


def measure(rows_per_day: int, repeats: int) -> dict[str, Any]:
    """Run the stages by one and by two workers, in turns.

    Returns:
        `runs`, workers -> the stages of each repeat; `bytes_per_row`, what stages leave on disk for a row they read;
        `predicted`, stage (and "all") -> seconds of two workers as predicted and as they were, a list entry for each repeat.
    """
    runs: dict[int, list[dict[str, StageRun]]] = {workers: [] for workers in WORKERS}
    sizes: dict[str, float] = {}
    for _ in range(repeats):
        for workers in WORKERS:
            with tempfile.TemporaryDirectory() as root:
                runs[workers].append(_night(Path(root), rows_per_day, workers))
                sizes = _bytes_per_row(Path(root), rows_per_day)
    one, two = (runs[workers] for workers in WORKERS)
    stages = list(one[0])
    predicted = {
        stage: {
            "one_s": [run[stage].wall_s for run in one],
            "from_one_s": [run[stage].predicted_s(2) for run in one],
            "from_own_s": [run[stage].predicted_s(2) for run in two],
            "two_s": [run[stage].wall_s for run in two],
        }
        for stage in stages
    }
    predicted["all"] = {
        kind: [sum(of_run) for of_run in zip(*(predicted[stage][kind] for stage in stages), strict=True)]
        for kind in ("one_s", "from_one_s", "from_own_s", "two_s")
    }
    return {
        "rows_per_day": rows_per_day,
        "repeats": repeats,
        "bytes_per_row": sizes,
        "shares": {stage: _shares([run[stage] for run in one]) for stage in stages},
        "predicted": predicted,
        "runs": {
            str(workers): [{stage: asdict(run) for stage, run in night.items()} for night in of_workers]
            for workers, of_workers in runs.items()
        },
    }


def _night(root: Path, rows_per_day: int, workers: int) -> dict[str, StageRun]:
    """Run the stages of one night, each worker with one thread of its own."""
    distributed: Any = import_module("distributed")  # untyped
    params = Params.model_validate(yaml.safe_load((REPOSITORY / "params.yaml").read_text()))
    source: Any = params.sources[params.default_source]
    source = source.scaled(rows_per_day)
    days = params.window.days(default_as_of(source))
    raw, validated, features, table = (root / name for name in ("raw", "validated", "features", "table"))
    with (
        distributed.LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            dashboard_address=None,
            worker_dashboard_address=None,
            env={"POLARS_MAX_THREADS": "1", "PYTHONPATH": os.environ.get("PYTHONPATH", "")},
        ) as running,
        distributed.Client(running) as client,
    ):
        client.run(_load)
        client.get_task_stream()  # from here on the scheduler keeps when tasks ran
        cluster = ClusterAddress(address=running.scheduler_address)
        calls: Mapping[str, Callable[[], Any]] = {
            "ingest": lambda: ingest(source, days, raw, cluster),
            "validate": lambda: validate(raw, params.validation, days, validated, cluster),
            "features": lambda: build_features(validated, params.features, days, features, cluster),
            "table": lambda: build_table(features, params.table, days, table, cluster=cluster),
        }
        return {stage: _timed(client, call) for stage, call in calls.items()}


def _load() -> None:
    """Load in a worker what its tasks need, so that the first of them costs what the others do."""
    import tasks.features.build
    import tasks.ingest.stage
    import tasks.table.build
    import tasks.validate.stage  # noqa: F401


def _timed(client: Any, call: Callable[[], Any]) -> StageRun:
    began = time.time()
    call()
    ended = time.time()
    maps: dict[str, list[tuple[float, float]]] = {}
    for task in client.get_task_stream(start=began, stop=ended + 1):
        for step in task["startstops"]:
            if step["action"] == "compute":
                maps.setdefault(task["key"].rpartition("-")[0], []).append((step["start"], step["stop"]))
    ordered = sorted((sorted(times) for times in maps.values()), key=lambda times: times[0])
    span_s = sum(max(stop for _, stop in times) - times[0][0] for times in ordered)
    return StageRun(ended - began, [[stop - start for start, stop in times] for times in ordered], span_s)


def _shares(runs: Sequence[StageRun]) -> list[float]:
    """Return the share of each map in the task seconds of a stage, the median of the runs."""
    shares = [[sum(of_map) / sum(map(sum, run.maps)) for of_map in run.maps] for run in runs]
    return [statistics.median(of_map) for of_map in zip(*shares, strict=True)]


def _bytes_per_row(root: Path, rows_per_day: int) -> dict[str, float]:
    """Return folder -> bytes for each row of the days it holds."""
    found = {}
    for name in ("raw/impressions", "validated/impressions", "features/rows", "features/daily", "features/state"):
        days = len(list((root / name).glob("day=*")))
        found[name] = _size(root / name) / (days * rows_per_day)
    table = yaml.safe_load((root / "table/table.json").read_text())
    found["table"] = _size(root / "table") / sum(table["rows"].values())
    return found


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
