"""Servers to mirror to: one of this folder's own, and MLflow's where it is installed beside dwell."""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import pytest
import requests

from flows.embedded import free_port
from tests.mlflow.receiver import PASSWORD, USER, Receiver, listening
from tests.mlflow.small_archive import Archive

PROGRAM = "DWELL_MLFLOW"
"""Environment variable: the program `mlflow` of an environment of its own, with the extra `auth`."""
_SOURCES = count()


@dataclass(frozen=True)
class Place:
    """Where tests mirror to.

    Attributes:
        uri: its address.
        receiver: what answers there; None: MLflow.
    """

    uri: str
    receiver: Receiver | None = None


@pytest.fixture(scope="session")
def mlflow_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server of MLflow on loopback, on SQLite."""
    with _mlflow(tmp_path_factory.mktemp("mlflow")) as uri:
        yield uri


@pytest.fixture(scope="session")
def guarded_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Another, which asks for a password; it takes a fifth of a CPU-second to check it with every request."""
    home = tmp_path_factory.mktemp("guarded")
    lines = ["[mlflow]", "default_permission = EDIT", f"database_uri = sqlite:///{home}/auth.db"]
    (home / "auth.ini").write_text("\n".join([*lines, f"admin_username = {USER}", f"admin_password = {PASSWORD}"]))
    settings = {"MLFLOW_AUTH_CONFIG_PATH": str(home / "auth.ini"), "MLFLOW_FLASK_SERVER_SECRET_KEY": "secret"}
    with _mlflow(home, "--app-name", "basic-auth", **settings) as uri:
        yield uri


@contextmanager
def _mlflow(home: Path, *options: str, **settings: str) -> Iterator[str]:
    program = os.environ.get(PROGRAM)
    if not program or shutil.which(program) is None:
        pytest.skip(f"needs MLflow in an environment of its own: {PROGRAM} names its program")
    port, jobs = free_port(), {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    command = [program, "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1", *options]
    command += ["--backend-store-uri", f"sqlite:///{home}/store.db", "--artifacts-destination", str(home / "artifacts")]
    with (home / "server.log").open("w") as log:
        server = subprocess.Popen(
            command, cwd=home, env=_outside() | jobs | settings, stdout=log, stderr=log, start_new_session=True
        )
    try:
        _wait(f"http://127.0.0.1:{port}/health", home / "server.log")
        yield f"http://127.0.0.1:{port}"
    finally:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()


def _outside() -> dict[str, str]:
    """Return this process's variables without those that lead Python to dwell's own packages."""
    return {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}


def _wait(address: str, log: Path) -> None:
    until = time.monotonic() + 300
    while True:
        try:
            if requests.get(address, timeout=2).ok:
                return
        except requests.RequestException:
            pass
        assert time.monotonic() < until, log.read_text()[-3000:]
        time.sleep(0.5)


@pytest.fixture
def own() -> Iterator[Place]:
    receiver = Receiver()
    with listening(receiver) as uri:
        yield Place(uri, receiver)


@pytest.fixture(params=["own", "mlflow_server"])
def place(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Place:
    """Both servers; the environment holds the credentials."""
    for name, value in (("USERNAME", USER), ("PASSWORD", PASSWORD)):
        monkeypatch.setenv(f"MLFLOW_TRACKING_{name}", value)
    found = request.getfixturevalue(request.param)
    return found if isinstance(found, Place) else Place(found)


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    """Three nights of a source that no other test mirrors: the first two promoted, the third did not."""
    made = Archive(tmp_path / "w", f"clips{next(_SOURCES)}")
    made.night(1, winner="a")
    made.night(2, winner="b")
    made.night(3)
    return made
