"""What a process cost, and everything that it started and waited for: by the kernel's account of it, not by its own."""

import os
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tasks.core.errors import SourceError

_LOOK_S = 0.1


@dataclass(frozen=True)
class Cost:
    """What one process cost.

    Attributes:
        cpu_s: seconds of CPU time, its start and those it waited for included.
        peak_mib: memory of the largest of them; where it forks this one, no less than this one's.
    """

    cpu_s: float
    peak_mib: float


def cost_of(
    command: Sequence[str], root: Path, environment: Mapping[str, str], look: Callable[[int], None] | None = None
) -> Cost:
    """Run a command and return what it cost.

    Args:
        command: to run.
        root: working directory.
        environment: all of it.
        look: called with its id ten times a second while it runs.

    Raises:
        SourceError: if it fails; the message ends with what it said.
    """
    said = root / "said.log"
    with said.open("wb") as log:
        process = subprocess.Popen(command, cwd=root, env=environment, stdout=log, stderr=subprocess.STDOUT)
    ended, status, usage = 0, 0, None
    while not ended:
        time.sleep(_LOOK_S)
        if look is not None:
            look(process.pid)
        ended, status, usage = os.wait4(process.pid, os.WNOHANG)
    process.returncode = os.waitstatus_to_exitcode(status)  # so that nobody waits for it again
    if process.returncode:
        raise SourceError(f"{' '.join(command)} ended with {process.returncode}: {said.read_text()[-2000:]}")
    assert usage is not None
    return Cost(usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)
