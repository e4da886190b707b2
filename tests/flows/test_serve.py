"""A small installation in one command; `python -m benchmarks.faults servers` kills what it consists of."""

import socket
from pathlib import Path

import pytest

from tests.flows.small_night import dwell, run


@pytest.mark.slow
def test_a_server_that_cannot_run_here_is_not_started_again_and_again(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = run(["flows.cli", "serve", "--port", str(port)], tmp_path)
    assert done.returncode == 1
    assert f"{port}" in done.stdout
    assert "started again" not in done.stdout


def test_a_worker_alone_is_told_whom_to_serve(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """tests/infra/test_topology.py runs one."""
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    assert "PREFECT_API_URL is not set: name the server" in dwell(tmp_path, "serve", "--no-server", status=2)
