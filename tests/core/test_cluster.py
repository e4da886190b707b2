"""A Dask cluster whose workers die: the work is done elsewhere, or the stage ends and says why; it never waits for ever."""

import contextlib
import datetime as dt
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import dask
import distributed
import psutil
import pytest

from tasks.core import cluster
from tasks.core.cluster import DASHBOARD, PROGRESS, ClusterAddress, Environment, LocalCluster, partition_map
from tasks.core.errors import MachineError
from tests.conftest import REPOSITORY

pytestmark = pytest.mark.slow


@pytest.fixture
def empty() -> Iterator[str]:
    """The address of a scheduler that has no worker."""
    with distributed.LocalCluster(n_workers=0, dashboard_address=None) as running:
        yield running.scheduler_address


def workers_below() -> list[psutil.Process]:
    """Return the processes of workers below this one."""
    found = []
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):
            if "spawn_main" in " ".join(process.cmdline()):
                found.append(process)
    return found


def test_without_a_worker_it_ends(empty: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(cluster, "_ALONE_S", 1.0)
    with (
        partition_map(ClusterAddress(address=empty), tmp_path) as run,
        pytest.raises(MachineError, match=r"has had no worker for 1 s, and 2 tasks wait for one: start workers"),
    ):
        run(time.sleep, [0, 0])


def test_a_scheduler_that_does_not_answer_is_named(tmp_path: Path) -> None:
    with (
        dask.config.set({"distributed.comm.timeouts.connect": "1s"}),
        partition_map(ClusterAddress(address="tcp://127.0.0.1:1"), tmp_path) as run,
        pytest.raises(
            MachineError,
            match=r"no Dask scheduler answers at cluster\.address tcp://127\.0\.0\.1:1 .*: start it, or set",
        ),
    ):
        run(abs, [-1])


def test_nobody_else_on_this_machine_is_answered(tmp_path: Path) -> None:
    """A client without the cluster's certificate, or with one of its own making, runs nothing."""
    with partition_map(LocalCluster(workers=1), tmp_path) as run:
        assert run(abs, [-1]) == [1]
        client = distributed.get_client()
        address = client.scheduler.address
        assert address.startswith("tls://")
        for security, scheme in ((None, "tcp"), (distributed.Security.temporary(), "tls")):
            with pytest.raises((OSError, TimeoutError)):
                distributed.Client(
                    address.replace("tls", scheme, 1), security=security, timeout=2, set_as_default=False
                )


def test_a_task_that_kills_every_worker_ends_the_stage(tmp_path: Path) -> None:
    with (
        partition_map(LocalCluster(workers=1), tmp_path) as run,
        pytest.raises(
            MachineError, match=r"died again and again under task 1 of 1: they were killed, or the system had no"
        ),
    ):
        run(os._exit, [1])


@dataclass(frozen=True)
class Day:
    """A task of a day."""

    day: dt.date
    mib: int


def hold(task: Day) -> int:
    """Hold so much memory for some seconds."""
    held = bytearray(task.mib * 2**20)
    time.sleep(5 * (task.mib > 1))
    return len(held)


def test_a_partition_that_is_too_large_is_named_with_what_to_set(tmp_path: Path) -> None:
    tasks = [Day(dt.date(2024, 3, 1), 1), Day(dt.date(2024, 3, 2), 700)]
    cluster = LocalCluster(workers=1, memory_gib=0.6)
    with (
        dask.config.set({"distributed.scheduler.allowed-failures": 0}),  # each attempt costs a worker's start
        partition_map(cluster, tmp_path) as run,
        pytest.raises(
            MachineError,
            match=r"^out of memory: workers .* under task 2 of 2 \(2024-03-02\), the last of them with (0\.[6-9]|1\.\d) GiB in use of "
            r"0\.6 that it may use: give each worker more \(fewer cluster.workers, a larger cluster.memory_gib",
        ),
    ):
        run(hold, tasks)


def test_memory_that_the_system_refuses_is_told_with_the_partition(tmp_path: Path) -> None:
    with (
        partition_map(LocalCluster(workers=1), tmp_path) as run,
        pytest.raises(MachineError, match=r"got no more under task 2 of 2 \(2024-03-02\): give each worker more"),
    ):
        run(hold, [Day(dt.date(2024, 3, 1), 1), Day(dt.date(2024, 3, 2), 2**40)])


def test_the_log_says_where_the_dashboard_is_and_how_far_the_work_is(
    caplog: pytest.LogCaptureFixture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a cluster that has one: the services of a scheduler name it."""
    monkeypatch.setattr(cluster, "_POLL_S", 0.2)
    caplog.set_level("INFO", cluster.__name__)
    with distributed.LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address="127.0.0.1:0") as running:
        with partition_map(ClusterAddress(address=running.scheduler_address), tmp_path) as run:
            run(time.sleep, [0.5] * 4)
        assert DASHBOARD.search(caplog.text)[1] == running.dashboard_link
    done = [(int(found[1]), int(found[2])) for found in PROGRESS.finditer(caplog.text)]
    assert done[-1] == (4, 4) and len(done) > 1 and sorted(done) == done


def test_a_cluster_that_fails_to_close_does_not_hide_why_it_is_closed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Dask fails so in one closing of some, when a nanny is starting a worker anew at that moment."""
    close = distributed.LocalCluster.close

    def closed_out_of_order(self: distributed.LocalCluster, timeout: float | None = None) -> None:
        close(self, timeout)
        raise AssertionError("can only join a started process")

    monkeypatch.setattr(distributed.LocalCluster, "close", closed_out_of_order)
    with pytest.raises(ZeroDivisionError), partition_map(LocalCluster(workers=1), tmp_path) as run:
        run(lambda task: 1 // task, [0])
    assert not workers_below()


def test_a_killed_worker_is_replaced(tmp_path: Path) -> None:
    with partition_map(LocalCluster(workers=1), tmp_path) as run:
        run(abs, [-1])
        workers = workers_below()
        assert workers
        threading.Timer(1, workers[-1].kill).start()
        assert run(time.sleep, [2, 2]) == [None, None]


def test_a_worker_killed_while_it_starts_delays_the_cluster(caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    def kill_the_first() -> None:
        while not (starting := workers_below()):
            time.sleep(0.02)
        starting[-1].kill()

    killer = threading.Thread(target=kill_the_first)
    killer.start()
    with partition_map(LocalCluster(workers=1), tmp_path) as run:
        assert run(abs, [-1, -2]) == [1, 2]
    killer.join()
    assert "did not start" in caplog.text


@pytest.fixture
def another_version(empty: str, tmp_path: Path) -> Iterator[ClusterAddress]:
    """A cluster whose one worker has dwell with another comment."""
    for name in ("tasks", "models"):
        shutil.copytree(REPOSITORY / name, tmp_path / "other" / name)
    with (tmp_path / "other/tasks/core/files.py").open("a", encoding="utf-8") as source:
        source.write("# another version\n")
    command = [sys.executable, "-m", "distributed.cli.dask_worker", empty, "--no-nanny", "--no-dashboard"]
    environment = os.environ | {"PYTHONPATH": str(tmp_path / "other")}
    worker = subprocess.Popen(command, cwd=tmp_path / "other", env=environment, stderr=subprocess.DEVNULL)
    yield ClusterAddress(address=empty)
    worker.terminate()
    worker.wait()


def test_a_worker_of_another_version_does_nothing(another_version: ClusterAddress, tmp_path: Path) -> None:
    with (
        partition_map(another_version, tmp_path) as run,
        pytest.raises(
            MachineError, match="has another version of dwell, which may give other bytes: give it the environment"
        ),
    ):
        run(Path.touch, [tmp_path / "made"])
    assert not (tmp_path / "made").exists()


def test_libraries_that_differ_are_named() -> None:
    here = Environment.here()
    other = replace(here, versions={**here.versions, "polars": "0.1"})
    assert here.differences(here) == []
    assert here.differences(other) == [f"polars 0.1 instead of {here.versions['polars']}"]


def test_a_worker_that_does_not_see_the_files_does_nothing(tmp_path: Path) -> None:
    with (
        partition_map(LocalCluster(workers=1), tmp_path / "elsewhere") as run,
        pytest.raises(MachineError, match=r"does not see .*elsewhere: let it see the workspace at the same path"),
    ):
        run(abs, [-1])
