"""Processes by a name that no other ever bears, and all that a run has started, whatever died in between.

A process id is given again after its process has died, so an owner is named by id and start. What a run starts inherits
its name in the environment, so it is found when everything between them is gone. A watcher beside the run ends what it
leaves when it dies; where the watcher died too, the next run in the workspace does.
"""

import contextlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import psutil

from tasks.core.errors import MachineError

RUN, ROOT = "DWELL_RUN", "DWELL_RUN_ROOT"
"""Environment variables that all processes of a run inherit: the process it belongs to, and its workspace."""
_POLL_S, _PATIENCE_S = 0.2, 10


@dataclass(frozen=True)
class Owner:
    """One process, once and for all.

    Attributes:
        host: machine it runs on.
        pid: its id there.
        started: when it started, in units of the system.
    """

    host: str
    pid: int
    started: str

    def __str__(self) -> str:
        return f"{self.host}-{self.pid}-{self.started}"

    @classmethod
    def parse(cls, text: str) -> "Owner | None":
        """Return the owner that a text names; None where it names none."""
        host, *numbers = text.rsplit("-", 2)
        if not host or len(numbers) < 2 or not all(number.isdigit() for number in numbers):
            return None
        return cls(host, int(numbers[0]), numbers[1])

    @classmethod
    def of(cls, pid: int) -> "Owner | None":
        """Return the process that lives under an id; None where none does."""
        started = _start(pid)
        return None if started is None else cls(_host(), pid, started)

    @property
    def is_dead(self) -> bool:
        """Whether the process has ended for certain; of another machine's that is not known."""
        return self.host == _host() and _start(self.pid) != self.started


def this_process() -> Owner:
    """Return the owner that this process is."""
    owner = Owner.of(os.getpid())
    assert owner is not None
    return owner


def inherited_run() -> Owner | None:
    """Return the run that this process belongs to; None: to none."""
    return Owner.parse(os.environ.get(RUN, ""))


@contextlib.contextmanager
def own_run(root: Path) -> Iterator[None]:
    """Let all that this process starts inside die with it, however it dies; within itself it changes nothing.

    A stage that DVC runs dies with DVC.

    Raises:
        MachineError: if DVC is dead before the stage begins.
    """
    owner, before = this_process(), {name: os.environ.get(name) for name in (RUN, ROOT)}
    if inherited_run() == owner:
        yield
        return
    os.environ |= {RUN: str(owner), ROOT: str(root.resolve())}
    command = [sys.executable, "-m", "tasks.core.processes", str(root.resolve()), str(owner), *map(str, _dvc())]
    here = Path(__file__).resolve().parents[2]
    quiet = subprocess.DEVNULL
    watcher = subprocess.Popen(command, cwd=here, stdin=quiet, stdout=quiet, stderr=quiet, start_new_session=True)
    try:
        yield
    finally:
        watcher.kill()
        watcher.wait()
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def end_orphans(root: Path) -> list[str]:
    """End what dead runs left in a workspace: servers, DVC, stages, workers; return id and command of each."""
    ended, killed = [], []
    for process in _orphans(root.resolve()):
        with contextlib.suppress(psutil.Error):
            line, owner = _described(process), Owner.of(process.pid)
            process.kill()
            ended.append(line)
            killed.append(owner)
    until = time.monotonic() + _PATIENCE_S
    while any(owner and not owner.is_dead for owner in killed) and time.monotonic() < until:
        time.sleep(0.02)  # one that nobody collects counts as dead
    return ended


def orphans(root: Path) -> list[str]:
    """Return what `end_orphans` would end."""
    found = []
    for process in _orphans(root.resolve()):
        with contextlib.suppress(psutil.Error):
            found.append(_described(process))
    return found


def _described(process: psutil.Process) -> str:
    return f"{process.pid} ({' '.join(process.cmdline())[:100]})"


def _orphans(root: Path) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if process.pid == os.getpid() or process.uids().real != os.getuid():
                continue
            environment = process.environ()
            owner = Owner.parse(environment.get(RUN, ""))
            if owner is not None and owner.is_dead and environment.get(ROOT) == str(root):
                found.append(process)
    return found


def _dvc() -> list[Owner]:
    """Return the DVC process that runs this one as the command of a stage, if one does.

    Raises:
        MachineError: if it has died already.
    """
    if "DVC_STAGE" not in os.environ:
        return []
    with contextlib.suppress(psutil.Error, OSError):
        for process in psutil.Process().parents():  # a shell between them inherits the variable, DVC itself has it not
            if "DVC_STAGE" not in process.environ():
                words = [Path(word).name for word in process.cmdline()[:3]]
                owner = Owner.of(process.pid)
                if owner and any(word == "dvc" or word.startswith(("python", "pytest")) for word in words):
                    return [owner]
                break
    raise MachineError(f"DVC died before its stage {os.environ['DVC_STAGE']} began: run it again")


@cache
def _host() -> str:
    return socket.gethostname()


def _start(pid: int) -> str | None:
    """Return when a living process started; None where there is none, or what its parent has not yet collected."""
    try:
        if Path("/proc/self/stat").exists():  # in ticks since the boot: no clock moves it
            state, *fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            return None if state in "ZX" else fields[18]
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else str(int(process.create_time() * 1000))
    except (OSError, psutil.Error):
        return None


def watch(root: Path, owner: Owner, lifelines: Sequence[Owner]) -> None:
    """Wait until a run's process or one that it must not outlive has died, then end all that is left of the run."""
    while not owner.is_dead and not any(line.is_dead for line in lifelines):
        time.sleep(_POLL_S)
    if not owner.is_dead:
        with contextlib.suppress(OSError):
            os.kill(owner.pid, 9)
        while not owner.is_dead:
            time.sleep(_POLL_S)
    end_orphans(root)


if __name__ == "__main__":
    watched = [owner for text in sys.argv[2:] if (owner := Owner.parse(text))]
    watch(Path(sys.argv[1]), watched[0], watched[1:])
