"""Settings that Prefect, DVC, numpy and torch read from the environment when they are imported."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from flows.credentials import guarded
from tasks.core import arithmetic
from tasks.core.errors import MachineError
from tasks.core.processes import own_run

_STARTUP = "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS"
_QUIET = {
    # no telemetry
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "DO_NOT_TRACK": "1",
    "DVC_NO_ANALYTICS": "1",
    "GX_ANALYTICS_ENABLED": "false",
    # the first start of the embedded server migrates its database: about 20 s on a busy machine, the default limit
    _STARTUP: "300",
    # runs of the last thirty days are enough; events go by a limit of their own, seven days by default
    "PREFECT_SERVER_SERVICES_DB_VACUUM_ENABLED": "true",
    "PREFECT_SERVER_SERVICES_DB_VACUUM_RETENTION_PERIOD": str(30 * 86_400),
    # a run whose machine died is told from a slow one by its heartbeat (see infra/README.md)
    "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30",
    # who holds the one slot of a deployment, a server still knows after it has died
    "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": "prefect.server.concurrency.lease_storage.filesystem",
}


def prepare(root: Path) -> None:
    """Set what is not set yet. Call it before `prefect` or numpy is imported.

    The embedded server, which listens on 127.0.0.1 at a random port, is guarded as that of `dwell serve` is.

    Args:
        root: the workspace; Prefect keeps its embedded database below `.dwell/prefect` there.

    Raises:
        StorageError: if the password of the servers cannot be kept there.
    """
    for name, value in {**_QUIET, **guarded(root, os.environ)}.items():
        os.environ.setdefault(name, value)
    arithmetic.pin_for_night(root)
    home = Path(os.environ.setdefault("PREFECT_HOME", str(root.resolve() / ".dwell/prefect")))
    home.mkdir(parents=True, exist_ok=True)


@contextlib.contextmanager
def flow_run(root: Path) -> Iterator[None]:
    """Run a flow inside: what it starts dies with this process, and a server that is not there is said in words.

    Args:
        root: the workspace.

    Raises:
        MachineError: if the Prefect server cannot be reached, or the embedded one does not start in time.
    """
    import httpx

    try:
        with own_run(root):
            yield
    except httpx.TransportError as error:
        api = os.environ.get("PREFECT_API_URL")
        where = f"the Prefect server at {api}" if api else "the embedded Prefect server"
        remedy = "start it (`dwell serve`), or unset PREFECT_API_URL to run without one" if api else "run again"
        raise MachineError(f"{where} cannot be reached ({error or type(error).__name__}): {remedy}") from error
    except RuntimeError as error:
        if "ephemeral Prefect API server" not in str(error) and "Failed to reach API" not in str(error):
            raise
        if api := os.environ.get("PREFECT_API_URL"):
            raise MachineError(
                f"the Prefect server at {api} cannot be reached: start it (`dwell serve`), or unset PREFECT_API_URL to "
                "run without one"
            ) from error
        raise MachineError(
            f"the embedded Prefect server did not start within {os.environ[_STARTUP]} s: give it longer "
            f"({_STARTUP}=600), free the machine, or use a server of its own (`dwell serve` and PREFECT_API_URL)"
        ) from error
