"""A small installation in one command; `python -m benchmarks.faults servers` kills what it consists of."""

import socket
from pathlib import Path

import pytest

from tests.flows.small_night import run


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
