"""Register what a scheduled installation needs: the work pool and the deployments."""

import os
import subprocess
import sys
from pathlib import Path

POOL = "dwell"


def deploy(root: Path) -> None:
    """Create or update the work pool and the deployments of prefect.yaml; running it again is harmless.

    Raises:
        subprocess.CalledProcessError: if Prefect refuses; its output says why.
    """
    environment = os.environ | {"DWELL_HOME": str(root.resolve())}
    prefect = [sys.executable, "-m", "prefect", "--no-prompt"]
    subprocess.run([*prefect, "work-pool", "create", POOL, "--type", "process", "--overwrite"], check=True)
    subprocess.run([*prefect, "deploy", "--all"], cwd=root, env=environment, check=True)
