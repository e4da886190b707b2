"""Settings that Prefect, DVC, numpy and torch read from the environment when they are imported."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from flows import embedded
from flows.credentials import guarded
from tasks.core import arithmetic
from tasks.core.errors import MachineError
from tasks.core.processes import own_run

_QUIET = {
    # no telemetry
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "DO_NOT_TRACK": "1",
    "DVC_NO_ANALYTICS": "1",
    "GX_ANALYTICS_ENABLED": "false",
    # the first start of the embedded server migrates its database: about 20 s on a busy machine, the default limit
    embedded.STARTUP: "300",
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
            wait = embedded.start()
            import flows.nightly  # noqa: F401  takes seconds, in which the server starts

            wait()
            yield
    except httpx.TransportError as error:
        raise _unreachable(f" ({error or type(error).__name__})") from error
    except RuntimeError as error:
        if "Failed to reach API" not in str(error):
            raise
        raise _unreachable("") from error


def _unreachable(cause: str) -> MachineError:
    if embedded.is_embedded():
        return MachineError(f"the embedded Prefect server cannot be reached{cause}: run again")
    remedy = f"start it (`dwell serve`), or unset {embedded.API} to run without one"
    return MachineError(f"the Prefect server at {os.environ[embedded.API]} cannot be reached{cause}: {remedy}")
