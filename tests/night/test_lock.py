"""One writer at a time, told who it is; what a dead one left is ended by name, and nothing else is."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from tasks.core.errors import NightError
from tasks.core.files import write_text
from tasks.core.layout import Workspace
from tasks.core.processes import ROOT, RUN, Owner, end_orphans, inherited_run, this_process
from tasks.night.lock import holder, holding

REPOSITORY = Path(__file__).resolve().parents[2]
DEAD = Owner(this_process().host, 2**22 - 1, "1")


def start(root: Path, body: str, command: str = "dwell nightly") -> "subprocess.Popen[bytes]":
    """Start a process that holds a workspace as `command` and runs `body`; return once it does."""
    code = (
        "import subprocess, sys, time; from pathlib import Path\n"
        "from tasks.core.layout import Workspace; from tasks.night.lock import holding\n"
        f"root = Path({str(root)!r})\n"
        f"with holding(Workspace(root), {command!r}):\n    {body}"
    )
    child = subprocess.Popen([sys.executable, "-c", code], cwd=REPOSITORY, start_new_session=True)
    wait_for(lambda: holder(Workspace(root)) is not None)
    return child


def wait_for(met: Callable[[], object]) -> None:
    for _ in range(600):
        if met():
            return
        time.sleep(0.05)
    raise TimeoutError("it did not happen within 30 s")


def test_owners_are_read_as_they_are_written_and_known_to_live_or_not() -> None:
    me = this_process()
    assert Owner.parse(str(me)) == me
    assert Owner.parse("my-host-17-4") == Owner("my-host", 17, "4")
    assert [Owner.parse(text) for text in ("", "17", "17-4", "-17-4", "host-17-", "host-x-4")] == [None] * 6
    assert not me.is_dead
    assert DEAD.is_dead
    assert Owner(me.host, me.pid, "1").is_dead, "the id was given again"
    assert not Owner("another-machine", me.pid, "1").is_dead, "it cannot be known"


def test_what_holds_the_workspace_may_hold_it_again(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    with holding(workspace, "dwell backfill"), holding(workspace, "dwell nightly"):
        held = holder(workspace)
        assert held is not None
        assert held.command == "dwell backfill"
        assert inherited_run() == this_process()
    assert holder(workspace) is None
    assert inherited_run() is None


@pytest.mark.slow
def test_a_second_writer_is_refused_by_name_or_waits_its_turn(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A night given by hand is refused beside a backfill; a deployed one waits for its end."""
    workspace = Workspace(tmp_path)
    child = start(tmp_path, "time.sleep(3)", "dwell backfill")
    refused = pytest.raises(NightError, match=rf"by `dwell backfill` \(process {child.pid} on .*: wait until it")
    with refused, holding(workspace, "dwell prepare"):
        pytest.fail("two writers")
    with holding(workspace, "dwell nightly", wait=True):
        assert child.wait() == 0
    assert "waiting for its turn" in caplog.text


@pytest.mark.slow
@pytest.mark.parametrize("watcher_dies", [False, True])
def test_what_a_killed_holder_left_dies_at_once_or_when_the_next_one_comes(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, watcher_dies: bool
) -> None:
    """Its child in a session of its own, as DVC and the embedded server are."""
    child = start(
        tmp_path,
        "p = subprocess.Popen(['sleep', '600'], start_new_session=True)\n"
        "    (root / 'left').write_text(str(p.pid)); time.sleep(600)",
    )
    wait_for(lambda: (tmp_path / "left").exists() and (tmp_path / "left").read_text())
    left = psutil.Process(int((tmp_path / "left").read_text()))
    watchers = [p for p in psutil.Process(child.pid).children() if "tasks.core.processes" in " ".join(p.cmdline())]
    assert len(watchers) == 1
    if watcher_dies:
        watchers[0].kill()
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    if not watcher_dies:
        wait_for(lambda: not left.is_running() or left.status() == psutil.STATUS_ZOMBIE)
    with holding(Workspace(tmp_path), "dwell nightly"):
        assert not left.is_running() or left.status() == psutil.STATUS_ZOMBIE
    assert (f"ended what a dead run left: process {left.pid} (sleep 600)" in caplog.text) == watcher_dies
    wait_for(lambda: not watchers[0].is_running() or watchers[0].status() == psutil.STATUS_ZOMBIE)


def test_processes_of_living_runs_other_workspaces_and_other_people_are_let_be(tmp_path: Path) -> None:
    runs = [(str(DEAD), tmp_path / "other"), (str(this_process()), tmp_path), ("", tmp_path), (str(DEAD), tmp_path)]
    sleepers = [subprocess.Popen(["sleep", "600"], env=os.environ | {RUN: run, ROOT: str(root)}) for run, root in runs]
    try:
        assert [line.split()[0] for line in end_orphans(tmp_path)] == [str(sleepers[-1].pid)]
        assert [sleeper.poll() is None for sleeper in sleepers] == [True, True, True, False]
    finally:
        for sleeper in sleepers:
            sleeper.kill()
            sleeper.wait()


@pytest.mark.slow
def test_a_stage_dies_with_the_dvc_that_runs_it(tmp_path: Path) -> None:
    """Killed alone, DVC leaves its command running; a shell may stand between them."""
    code = (
        "import os, time; from pathlib import Path\n"
        "from tasks.core.processes import own_run\n"
        f"with own_run(Path({str(tmp_path)!r})):\n    Path({str(tmp_path / 'stage')!r}).write_text(str(os.getpid())); time.sleep(600)"
    )
    write_text(tmp_path / "stage.py", code)
    write_text(
        tmp_path / "dvc",
        f"import os, subprocess\nsubprocess.run(['sh', '-c', '{sys.executable} {tmp_path}/stage.py; true'],"
        f" cwd='{REPOSITORY}', env=os.environ | dict(DVC_STAGE='train', PYTHONPATH='{REPOSITORY}'))",
    )
    dvc = subprocess.Popen([sys.executable, str(tmp_path / "dvc")])
    wait_for(lambda: (tmp_path / "stage").exists() and (tmp_path / "stage").read_text())
    stage = int((tmp_path / "stage").read_text())
    time.sleep(1)  # for the watcher to look around once
    dvc.kill()
    dvc.wait()
    wait_for(lambda: not psutil.pid_exists(stage) or psutil.Process(stage).status() == psutil.STATUS_ZOMBIE)
