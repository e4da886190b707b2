"""A Dask cluster whose workers die: the work is done elsewhere, or the stage ends and says why; it never waits for ever."""

import contextlib
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import distributed
import psutil
import pytest

from tasks.core import cluster
from tasks.core.cluster import ClusterAddress, Environment, LocalCluster, partition_map
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
        pytest.raises(MachineError, match="workers of the Dask cluster died again and again"),
    ):
        run(os._exit, [1])


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
