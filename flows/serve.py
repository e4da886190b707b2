"""A Prefect server on loopback and one process worker, ended together: a small installation in one command."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from types import FrameType

import requests

from flows.deploy import POOL


def serve(port: int = 4200) -> int:
    """Run the server and a worker in the foreground until interrupted; return the exit status.

    A worker that a non-interactive shell starts in the background ignores SIGINT and cannot be stopped cleanly, so
    both are started from here with signals restored, and each in its own session so that Ctrl-C reaches only us.
    The password that `environment.prepare` sets guards the server; a browser asks for it.
    """
    origin = f"http://127.0.0.1:{port}"
    environment = os.environ | {
        "PREFECT_API_URL": f"{origin}/api",
        "PREFECT_SERVER_UI_API_URL": f"{origin}/api",
        "PREFECT_SERVER_CORS_ALLOWED_ORIGINS": origin,
    }
    prefect = [sys.executable, "-m", "prefect"]
    signal.signal(signal.SIGTERM, _interrupt)
    children = [_start([*prefect, "server", "start", "--host", "127.0.0.1", "--port", str(port)], environment)]
    try:
        _wait_for(f"{origin}/api/health", children[0])
        children.append(_start([*prefect, "worker", "start", "--pool", POOL, "--type", "process"], environment))
        while all(child.poll() is None for child in children):
            time.sleep(1)
        return 1
    except KeyboardInterrupt:
        return 0
    finally:
        for child in reversed(children):
            child.send_signal(signal.SIGINT)
            try:
                child.wait(timeout=30)
            except subprocess.TimeoutExpired:
                child.kill()


def _wait_for(url: str, server: "subprocess.Popen[bytes]") -> None:
    """Wait until a server answers, or has ended."""
    while server.poll() is None:
        with contextlib.suppress(requests.RequestException):
            if requests.get(url, timeout=2).ok:
                return
        time.sleep(0.5)


def _start(command: list[str], environment: dict[str, str]) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        command,
        env=environment,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
