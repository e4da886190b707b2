"""A Dask cluster whose workers reach the stage's files through a bucket alone, and a wrapper that shows it."""

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import distributed
import pytest

from tasks.core import cluster
from tests.conftest import REPOSITORY


@contextlib.contextmanager
def far_workers(folder: Path, count: int = 1) -> Iterator[str]:
    """Yield the address of a scheduler whose workers live in folders of their own, which hold all that they may write."""
    with distributed.LocalCluster(n_workers=0, dashboard_address=None) as running:
        workers = []
        for number in range(count):
            home = folder / f"worker {number}"
            (home / "tmp").mkdir(parents=True)
            command = [sys.executable, "-m", "distributed.cli.dask_worker", running.scheduler_address]
            command += ["--no-nanny", "--no-dashboard", "--nthreads", "1"]
            known = os.environ | {"PYTHONPATH": str(REPOSITORY), "TMPDIR": str(home / "tmp")}
            workers.append(subprocess.Popen(command, cwd=home, env=known, stderr=subprocess.DEVNULL))
        try:
            yield running.scheduler_address
            for number in range(count):
                left = [path.name for path in (folder / f"worker {number}/tmp").glob("dwell-*")]
                assert not left, "a worker keeps nothing of a task"
        finally:
            for worker in workers:
                worker.terminate()
                worker.wait()


@contextlib.contextmanager
def hidden_while_workers_run(workspace: Path) -> Iterator[list[int]]:
    """Move a folder away whenever tasks are on the cluster; yield the numbers of tasks of each time."""
    results, times = cluster._results, list[int]()
    away = workspace.with_name(f"{workspace.name} is away")

    def hidden(client: Any, function: Any, tasks: Any, dask: Any) -> list[Any]:
        times.append(len(tasks))
        workspace.rename(away)
        try:
            return results(client, function, tasks, dask)
        finally:
            away.rename(workspace)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(cluster, "_results", hidden)
        yield times
