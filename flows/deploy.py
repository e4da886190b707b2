"""Register what a scheduled installation needs: the work pool and the deployments."""

import os
import subprocess
import sys
from pathlib import Path

from flows.readiness import wait_until_it_answers
from tasks.core.errors import MachineError

POOL = "dwell"


def deploy(root: Path) -> None:
    """Create or update the work pool, the deployments of prefect.yaml and the alerts; running it again is harmless.

    A server that is just being started is waited for.

    Args:
        root: the workspace; `PREFECT_API_URL` names the server.

    Raises:
        ConfigError: if the webhook block that the environment names does not exist.
        MachineError: if no server answers, or Prefect refuses; its output says why.
    """
    wait_until_it_answers(os.environ["PREFECT_API_URL"])
    _prefect(root, "work-pool", "create", POOL, "--type", "process", "--overwrite")
    _prefect(root, "deploy", "--all")
    from flows.alerts import register

    for name in register():
        print(f"automation {name!r} calls the webhook")


def _prefect(root: Path, *arguments: str) -> None:
    environment = os.environ | {"DWELL_HOME": str(root.resolve())}
    done = subprocess.run(
        [sys.executable, "-m", "prefect", "--no-prompt", *arguments], cwd=root, env=environment, check=False
    )
    if done.returncode:
        raise MachineError(
            f"`prefect {arguments[0]}` ended with status {done.returncode}; what it printed stands above"
        )
