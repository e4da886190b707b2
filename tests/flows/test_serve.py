"""A small installation in one command; `python -m benchmarks.faults servers` kills what it consists of."""

import socket
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from flows.embedded import free_port
from flows.readiness import wait_until_it_answers
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


def test_a_deployment_waits_for_the_server_that_another_shell_starts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    port = free_port()
    (tmp_path / "api").mkdir()
    (tmp_path / "api/health").write_text("true")
    serving = partial(SimpleHTTPRequestHandler, directory=str(tmp_path))
    servers: list[ThreadingHTTPServer] = []

    def start() -> None:
        servers.append(ThreadingHTTPServer(("127.0.0.1", port), serving))
        threading.Thread(target=servers[0].serve_forever, daemon=True).start()

    threading.Timer(0.7, start).start()
    wait_until_it_answers(f"http://127.0.0.1:{port}/api", patience_s=60)
    servers[0].shutdown()
    servers[0].server_close()
    assert "waiting for the Prefect server at " in capsys.readouterr().err


def test_a_deployment_to_nobody_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREFECT_API_URL", f"http://127.0.0.1:{free_port()}/api")
    monkeypatch.setattr("flows.deploy.wait_until_it_answers", partial(wait_until_it_answers, patience_s=0))
    said = dwell(tmp_path, "deploy", status=1)
    assert [line for line in said.splitlines() if line.startswith("error: no Prefect server answers at ")]
    assert "Traceback" not in said
