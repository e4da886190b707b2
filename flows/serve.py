"""A Prefect server on loopback and one process worker: a small installation in one command; or the worker alone.

Either is started again when it dies, and runs whose processes have died are tended (`flows.tend`).
"""

import contextlib
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from types import FrameType

import httpx
from prefect.client.orchestration import get_client
from prefect.settings import PREFECT_API_URL, temporary_settings

from flows.deploy import POOL
from flows.readiness import answers
from flows.tend import tend

_TEND_S = 15
_BRIEF_S = 20
"""What ends sooner than this after its start is not started again: it cannot run here."""
_log = logging.getLogger(__name__)


class _Part:
    """One process with all that it starts, in a session of its own so that Ctrl-C reaches only us."""

    def __init__(self, arguments: Sequence[str], environment: dict[str, str]) -> None:
        self.environment = environment
        self.name = arguments[0]
        self.command = [sys.executable, "-m", "prefect", *arguments]
        self.start()

    def start(self) -> None:
        """Start it; where a non-interactive shell started us in the background, with SIGINT as it was before."""
        self.begun = time.monotonic()
        self.process = subprocess.Popen(
            self.command,
            env=self.environment,
            start_new_session=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )

    def start_again(self) -> None:
        """Start it after its end: a night that a worker had started goes on, what a server left holds its port."""
        if self.name == "server":
            self.end_rest()
        self.start()

    @property
    def has_ended(self) -> bool:
        return self.process.poll() is not None

    @property
    def was_brief(self) -> bool:
        return time.monotonic() - self.begun < _BRIEF_S

    def end(self) -> None:
        self.process.send_signal(signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(timeout=30)
        self.end_rest()

    def end_rest(self) -> None:
        """End what it started and left when it died."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)


def serve(port: int = 4200) -> int:
    """Run the server and a worker in the foreground until interrupted; return the exit status.

    The password that `environment.prepare` sets guards the server; a browser asks for it.
    """
    origin = f"http://127.0.0.1:{port}"
    environment = os.environ | {
        "PREFECT_API_URL": f"{origin}/api",
        "PREFECT_SERVER_UI_API_URL": f"{origin}/api",
        "PREFECT_SERVER_CORS_ALLOWED_ORIGINS": origin,
    }
    signal.signal(signal.SIGTERM, _interrupt)
    server = _Part(["server", "start", "--host", "127.0.0.1", "--port", str(port)], environment)
    return _keep([server], f"{origin}/api", environment)


def work(api: str) -> int:
    """Run a worker for a server that runs elsewhere, in the foreground until interrupted; return the exit status.

    Args:
        api: address of the server; `PREFECT_API_AUTH_STRING` holds its password.
    """
    signal.signal(signal.SIGTERM, _interrupt)
    return _keep([], api, os.environ | {"PREFECT_API_URL": api})


def _keep(parts: list[_Part], api: str, environment: dict[str, str]) -> int:
    """Add a worker once the server answers, start again what dies, and tend runs whose processes have died."""
    try:
        if not _begun(api, parts):
            return 1
        parts.append(_Part(["worker", "start", "--pool", POOL, "--type", "process"], environment))
        tended = -float("inf")
        while not any(part.has_ended and part.was_brief for part in parts):
            for part in parts:
                if part.has_ended:
                    _log.warning("the %s has ended and is started again", part.name)
                    part.start_again()
            if time.monotonic() - tended > _TEND_S:
                _tend(api)
                tended = time.monotonic()
            time.sleep(1)
        return 1
    except KeyboardInterrupt:
        return 0
    finally:
        for part in reversed(parts):
            part.end()


def _tend(api: str) -> None:
    """Tend what has died; a server that does not answer now is asked again."""
    try:
        with temporary_settings({PREFECT_API_URL: api}), get_client(sync_client=True) as client:
            for line in tend(client):
                _log.warning(line)
    except (httpx.HTTPError, RuntimeError) as error:
        _log.warning("the server did not say which runs have died: %s", error)


def _begun(api: str, parts: Sequence[_Part]) -> bool:
    """Wait until a server answers; False: the one that is a part of ours has ended before."""
    while not any(part.has_ended for part in parts):
        if answers(api):
            return True
        time.sleep(0.5)
    return False


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
