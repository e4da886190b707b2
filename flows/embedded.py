"""The Prefect server of a run that is given none: it starts while the run loads its libraries, and ends with it.

Prefect would start one itself, once it is first asked for anything, and load the whole server into the run's process for that.
"""

import atexit
import contextlib
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable

from tasks.core.errors import MachineError, print_error

API = "PREFECT_API_URL"
STARTUP = "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS"
_EMBEDDED = "DWELL_EMBEDDED_SERVER"
"""Environment variable: the address of the embedded server, where there is one."""
_SETTINGS = {"PREFECT_UI_ENABLED": "0", "PREFECT__SERVER_EPHEMERAL": "1", "PREFECT__SERVER_FINAL": "1"}
"""As Prefect sets them for its own."""
_REMEDY = f"free the machine, give it longer ({STARTUP}=600), or use a server of its own (`dwell serve` and {API})"
_ENDING_S = 5


def is_embedded() -> bool:
    """Whether the server that this process asks, if any, is that of its run: where it has died nobody starts it again."""
    return os.environ.get(API) == os.environ.get(_EMBEDDED)


def start() -> Callable[[], None]:
    """Start a server that ends when this process does; return what waits until it answers.

    Where the environment names one, that is it, and nothing is started. Prefect reads the address when it is imported: import
    it afterwards. What it registers to be done at the end, such as sending its last lines of log, then comes before the server's end.

    Raises:
        MachineError: by what waits, if the server does not answer in time.
    """
    if os.environ.get(API):
        return lambda: None
    port = free_port()
    command = ["-m", "uvicorn", "--factory", "prefect.server.api.server:create_app", "--host", "127.0.0.1"]
    command += ["--port", str(port), "--log-level", "error", "--lifespan", "on"]
    # in a session of its own, so that Ctrl-C reaches only us
    process = subprocess.Popen([sys.executable, *command], env=os.environ | _SETTINGS, start_new_session=True)
    ending = threading.Event()
    atexit.register(_end, process, ending)
    threading.Thread(target=_watch, args=(process, ending), daemon=True).start()
    os.environ[API] = os.environ[_EMBEDDED] = f"http://127.0.0.1:{port}/api"
    os.environ["PREFECT_UI_URL"] = ""  # it shows no pages: no links to any
    return lambda: _wait(f"{os.environ[API]}/health")


def _end(process: "subprocess.Popen[bytes]", ending: threading.Event) -> None:
    ending.set()
    process.terminate()
    try:
        process.wait(_ENDING_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _watch(process: "subprocess.Popen[bytes]", ending: threading.Event) -> None:
    """End this process with its server: Prefect would ask for it again for minutes, and no night ends well without it."""
    process.wait()
    if not ending.is_set():
        sys.stdout.flush()
        error = f"the embedded Prefect server ended with status {process.returncode}: run again, or {_REMEDY}"
        os._exit(print_error(MachineError(error)))


def _wait(url: str) -> None:
    import httpx

    patience_s = float(os.environ[STARTUP])
    until = time.monotonic() + patience_s
    print("waiting for the embedded Prefect server", file=sys.stderr)
    while True:
        with contextlib.suppress(httpx.TransportError):
            if httpx.get(url, timeout=max(1, until - time.monotonic())).is_success:
                return
        if time.monotonic() > until:
            raise MachineError(f"the embedded Prefect server did not start within {patience_s:g} s: {_REMEDY}")
        time.sleep(0.05)


def free_port() -> int:
    """Return a port of 127.0.0.1 at which nobody listens now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
