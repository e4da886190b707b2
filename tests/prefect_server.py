"""One Prefect server on loopback for all tests that need one: starting it takes as long as a stage."""

import contextlib
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests

from flows.embedded import free_port


@pytest.fixture(scope="session")
def prefect_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """A real Prefect server on loopback; yields the environment variables that reach it."""
    home = tmp_path_factory.mktemp("prefect")
    port = free_port()
    variables = {"PREFECT_HOME": str(home), "PREFECT_API_URL": f"http://127.0.0.1:{port}/api"}
    command = [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port)]
    log = (home / "server.log").open("w")
    server = subprocess.Popen(
        command, env=os.environ | variables, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
    )
    try:
        _wait(lambda: requests.get(f"{variables['PREFECT_API_URL']}/health", timeout=2).ok, 120, "the Prefect server")
        yield variables
    finally:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()
        log.close()


@pytest.fixture
def embedded_home(prefect_server: dict[str, str]) -> Callable[[Path], Path]:
    """Return a function that gives a workspace the tables of an embedded server: to make them anew takes half a minute."""

    def make(root: Path) -> Path:
        home = root / ".dwell/prefect"
        home.mkdir(parents=True, exist_ok=True)
        tables = sqlite3.connect(Path(prefect_server["PREFECT_HOME"]) / "prefect.db")
        with contextlib.closing(tables) as made, contextlib.closing(sqlite3.connect(home / "prefect.db")) as copy:
            made.backup(copy)
        return home

    return make


def _wait(ready: Callable[[], bool], seconds: float, what: str) -> None:
    for _ in range(int(seconds * 2)):
        try:
            if ready():
                return
        except requests.RequestException:
            pass
        time.sleep(0.5)
    raise TimeoutError(f"{what} did not start within {seconds:g} s")
