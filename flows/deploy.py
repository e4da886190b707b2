"""Register what a scheduled installation needs: the work pool, the deployments, and the dead-run automation."""

import asyncio
import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

from prefect.automations import Automation
from prefect.client.schemas.objects import StateType
from prefect.events.actions import ChangeFlowRunState
from prefect.events.schemas.automations import EventTrigger, Posture
from prefect.events.schemas.events import ResourceSpecification

POOL = "dwell"
AUTOMATION = "dwell: mark runs without a heartbeat as crashed"


def deploy(root: Path) -> None:
    """Create or update the work pool, the deployments of prefect.yaml and the automation; running it again is harmless.

    Raises:
        subprocess.CalledProcessError: if Prefect refuses; its output says why.
    """
    environment = os.environ | {"DWELL_HOME": str(root.resolve())}
    prefect = [sys.executable, "-m", "prefect", "--no-prompt"]
    subprocess.run([*prefect, "work-pool", "create", POOL, "--type", "process", "--overwrite"], check=True)
    subprocess.run([*prefect, "deploy", "--all"], cwd=root, env=environment, check=True)
    asyncio.run(_register(_dead_run_automation()))


def _dead_run_automation() -> Automation:
    """Without it, a run whose worker and engine both died stays Running and keeps its concurrency slot for ever."""
    return Automation(
        name=AUTOMATION,
        trigger=EventTrigger(
            after={"prefect.flow-run.heartbeat"},
            expect={
                f"prefect.flow-run.{state}" for state in ("heartbeat", "Completed", "Failed", "Cancelled", "Crashed")
            },
            match=ResourceSpecification({"prefect.resource.id": ["prefect.flow-run.*"]}),
            for_each={"prefect.resource.id"},
            posture=Posture.Proactive,
            threshold=1,
            within=timedelta(seconds=90),
        ),
        actions=[ChangeFlowRunState(state=StateType.CRASHED, message="no heartbeat for 90 s")],
    )


async def _register(wanted: Automation) -> None:
    try:
        existing: Any = await Automation.aread(name=wanted.name)
    except ValueError:
        await wanted.acreate()
    else:
        existing.trigger, existing.actions = wanted.trigger, wanted.actions
        await existing.aupdate()
