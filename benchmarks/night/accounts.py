"""Who spent the CPU time of a run: what the kernel charges it with in all, less what is known of its stages and lasting processes."""

import contextlib
from collections.abc import Mapping

import psutil

RUN, REST = "the run itself", "DVC, and starting it and the stages"
LASTING = {
    "uvicorn": "Prefect's server",
    "tasks.core.fork_server": "loading libraries that processes are forked with",
    "tasks.core.processes": "watching that nothing outlives the run",
}
"""Word on the command line of what a run starts first and ends last -> who it is."""


class Lasting:
    """CPU time of a run's own process and of those it keeps from its begin to its end, as it was when they were last looked at.

    Attributes:
        cpu_s: who -> seconds, without what they started.
    """

    def __init__(self) -> None:
        self.cpu_s: dict[str, float] = {}

    def look(self, pid: int) -> None:
        """Look at the run of a process id."""
        with contextlib.suppress(psutil.Error):
            run = psutil.Process(pid)
            self._note(RUN, run)
            for child in run.children():
                with contextlib.suppress(psutil.Error):
                    words = child.cmdline()
                    for word, who in LASTING.items():
                        if word in words:
                            self._note(who, child)

    def _note(self, who: str, process: psutil.Process) -> None:
        times = process.cpu_times()
        # one that has ended and was not collected yet may say that it took none
        self.cpu_s[who] = max(self.cpu_s.get(who, 0.0), times.user + times.system)


def by_who(total_s: float, stages: Mapping[str, float], lasting: Mapping[str, float]) -> dict[str, float]:
    """Return who -> CPU-seconds; what nobody is known to have spent is DVC's, whose processes end before they can be looked at.

    Args:
        total_s: of the run and all that it waited for.
        stages: stage -> seconds, by its own account.
        lasting: who -> seconds of processes that last as long as the run.
    """
    return {**stages, **lasting, REST: total_s - sum(stages.values()) - sum(lasting.values())}
