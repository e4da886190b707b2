"""Kill the server, the worker, the process or the whole service of a deployed night; what starts the service again is all its help."""

import contextlib
import math
import random
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import psutil
import requests

from benchmarks.faults import world
from benchmarks.faults.kills import Case, failures, unlike
from benchmarks.faults.world import AS_OF, STAGES
from flows.embedded import free_port

PARTS = ("server", "worker", "process", "server", "service", "worker")
"""What is killed in one night, one after another; a night whose process dies three times is given up."""
_PATIENCE_S = 1800
_ENDING_S = 240
"""A run's process that ends when its server does asks for it a while longer, to leave its last lines of log there."""
_PARTS = {
    "service": ("flows.cli", "serve"),
    "server": ("prefect", "server"),
    "worker": ("prefect", "worker"),
    "process": ("prefect.engine",),
}
"""What is killed -> words of its command."""


class Service:
    """`dwell serve`, started again whenever it has ended: what a service manager does, and all that it does."""

    def __init__(self, root: Path) -> None:
        self.port = str(free_port())
        self.root, self.api = root, f"http://127.0.0.1:{self.port}/api"
        self._stopping, self._thread = threading.Event(), threading.Thread(target=self._keep)

    def __enter__(self) -> "Service":
        self._thread.start()
        while not self._answers():
            time.sleep(0.5)
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._process.terminate()
        self._thread.join()

    def _keep(self) -> None:
        with (self.root / "service.log").open("a") as log:
            while not self._stopping.is_set():
                self._process = subprocess.Popen(
                    [sys.executable, "-m", "flows.cli", "serve", "--port", self.port], cwd=self.root,
                    env=world.environment(self.root), stdout=log, stderr=subprocess.STDOUT, start_new_session=True,
                )  # fmt: skip
                self._process.wait()
                self._stopping.wait(1)

    def _answers(self) -> bool:
        with contextlib.suppress(requests.RequestException):
            return requests.get(f"{self.api}/health", timeout=5).ok
        return False

    def begin_night(self) -> str:
        """Let the deployment run a night; return the id of the run."""
        command = ["prefect", "--port", self.port, "deployment", "run", "nightly/nightly", "--param", f"as_of={AS_OF}"]
        done = world.finish(self.root, "-m", "flows.cli", *command)
        found = re.search(r"[0-9a-f]{8}-[0-9a-f-]{27}", done.output)
        assert found, done.output
        return found[0]

    def state(self, run: str) -> str:
        """Return the type of a run's state, or nothing while the server does not answer."""
        user, _, password = (self.root / ".dwell/prefect.auth").read_text().strip().partition(":")
        with contextlib.suppress(requests.RequestException):
            answer = requests.get(f"{self.api}/flow_runs/{run}", auth=(user, password), timeout=10)
            if answer.ok:
                return str(answer.json()["state_type"])
        return ""

    def kill(self, part: str) -> None:
        """Kill one part of it, and it alone, as soon as there is one.

        Raises:
            TimeoutError: if there is none for a long time.
        """
        until = time.monotonic() + _PATIENCE_S
        while time.monotonic() < until:
            for process in psutil.process_iter():
                with contextlib.suppress(psutil.Error, OSError):
                    if Path(process.cwd()).is_relative_to(self.root) and set(_PARTS[part]) <= set(process.cmdline()):
                        process.kill()
                        return
            time.sleep(0.1)
        raise TimeoutError(f"there is no {part} to be killed")


def of_deployed(root: Path, expected: dict[str, str], parts: Sequence[str], chance: random.Random) -> Iterator[Case]:
    """Kill parts of a deployed night, one after another; what is found wrong is charged to the kill before it."""
    found, seen = list[Case](), set[str]()
    with Service(root) as service:
        problems = failures(world.finish(root, "-m", "flows.cli", "deploy", "--port", service.port))
        run = service.begin_night()
        for number, part in enumerate(parts):
            stages, moment = int(len(STAGES) * (number + chance.random()) / len(parts)), 5 * chance.random()
            _wait(root, service, run, stages)
            time.sleep(moment)
            if found:
                found[-1].problems += unlike(root, expected, seen)
            when = f"after {world.stages_done(root)} stages"
            service.kill(part)
            found.append(Case(f"{part} of a deployed night", when, problems))
            problems = []
        state = _wait(root, service, run)
        if state != "COMPLETED":
            found[-1].problems.append(f"the night did not end: {state or 'no answer'}")
    found[-1].problems += [*unlike(root, expected, seen, ended=True), *world.orphans(root, _ENDING_S)]
    yield from found


def _wait(root: Path, service: Service, run: str, stages: float = math.inf) -> str:
    """Wait until a night has done so many stages, or has ended; return its state."""
    until = time.monotonic() + _PATIENCE_S
    while (state := service.state(run)) not in ("COMPLETED", "FAILED", "CANCELLED") and time.monotonic() < until:
        if stages <= world.stages_done(root) and state == "RUNNING":
            break
        time.sleep(0.5)
    return state
