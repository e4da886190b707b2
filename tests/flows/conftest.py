"""A small workspace: the project's own stage graph and code, a night that takes seconds."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from flows import environment

REPOSITORY = Path(__file__).resolve().parents[2]
environment.prepare(REPOSITORY)


def small_params() -> dict[str, Any]:
    """Return the project's params.yaml with a night small enough for a test."""
    params: dict[str, Any] = yaml.safe_load((REPOSITORY / "params.yaml").read_text())
    params["sources"]["simulator"] |= {"users": 300, "videos": 200, "impressions_per_day": 3000}
    params["nightly"]["recipes"] = ["d2q"]
    params["training"] |= {"seeds": [0], "max_epochs": 2}
    params["evaluation"] |= {"bootstrap_replicates": 100}
    return params


def make_workspace(root: Path, params: dict[str, Any]) -> Path:
    """Copy the project's code and stage graph to `root`, a git and DVC repository of its own."""
    ignore = shutil.ignore_patterns("__pycache__", "*.egg-info")
    for name in ("tasks", "models", "flows"):
        shutil.copytree(REPOSITORY / name, root / name, ignore=ignore)
    for name in ("dvc.yaml", "prefect.yaml", ".dvcignore", ".gitignore", "pyproject.toml"):
        shutil.copy(REPOSITORY / name, root / name)
    (root / ".dvc").mkdir()
    shutil.copy(REPOSITORY / ".dvc/config", root / ".dvc/config")
    (root / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))
    subprocess.run(["git", "init", "-q"], cwd=root, check=True)
    return root


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """A workspace with the small night."""
    root = tmp_path / "workspace"
    root.mkdir()
    return make_workspace(root, small_params())


def run(arguments: list[str], root: Path, **environment_variables: str) -> subprocess.CompletedProcess[str]:
    """Run a Python module of the test environment in a workspace; the result holds its merged output."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        [sys.executable, "-m", *arguments], cwd=root, env=os.environ | {"PATH": path} | environment_variables,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=600, check=False,
    )  # fmt: skip


@pytest.fixture(scope="module")
def prefect_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """A real Prefect server on loopback; yields the environment variables that reach it."""
    import requests

    home = tmp_path_factory.mktemp("prefect")
    port = _free_port()
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
        _end(server)
        log.close()


def _free_port() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait(ready: Any, seconds: float, what: str) -> None:
    import time

    import requests

    for _ in range(int(seconds * 2)):
        try:
            if ready():
                return
        except requests.RequestException:
            pass
        time.sleep(0.5)
    raise TimeoutError(f"{what} did not start within {seconds:g} s")


def _end(process: subprocess.Popen[Any]) -> None:
    import signal

    try:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(timeout=20)
    except (ProcessLookupError, subprocess.TimeoutExpired):
        process.kill()
        process.wait()
