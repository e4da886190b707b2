"""Settings that Prefect and DVC read from the environment when they are imported."""

import os
from pathlib import Path

from flows.credentials import guarded

_QUIET = {
    # no telemetry
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "DO_NOT_TRACK": "1",
    "DVC_NO_ANALYTICS": "1",
    "GX_ANALYTICS_ENABLED": "false",
    # the first start of the embedded server migrates its database: about 20 s on a busy machine, the default limit
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120",
    # a run whose machine died is told from a slow one by its heartbeat (see infra/README.md)
    "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30",
}


def prepare(root: Path) -> None:
    """Set what is not set yet. Call it before `prefect` is imported.

    The embedded server, which listens on 127.0.0.1 at a random port, is guarded as that of `dwell serve` is.

    Args:
        root: the workspace; Prefect keeps its embedded database below `.dwell/prefect` there.

    Raises:
        StorageError: if the password of the servers cannot be kept there.
    """
    for name, value in {**_QUIET, **guarded(root, os.environ)}.items():
        os.environ.setdefault(name, value)
    home = Path(os.environ.setdefault("PREFECT_HOME", str(root.resolve() / ".dwell/prefect")))
    home.mkdir(parents=True, exist_ok=True)
