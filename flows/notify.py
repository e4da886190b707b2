"""Tell a person that a night failed: through a webhook block if one is configured, always in the log."""

import contextlib
import os
from typing import Any

import httpx
from prefect.client.orchestration import get_client
from prefect.logging import get_logger
from prefect.utilities.urls import url_for

WEBHOOK_VARIABLE = "DWELL_WEBHOOK_BLOCK"
"""Environment variable that names a Prefect Webhook block (`prefect block register -m prefect.blocks.webhook`)."""


def notify(flow: Any, flow_run: Any, state: Any) -> None:
    """Send the failure of a flow run: its night and source, the cause, and where to look.

    A failing webhook is logged and never hides the failure itself.
    """
    logger = get_logger("dwell.notify")
    message = f"{_named(flow_run)} is {state.name}: {state.message}"
    logger.error(message.partition("\n")[0])
    if link := url_for(flow_run):
        message = f"{message}\n{link}"
    block = os.environ.get(WEBHOOK_VARIABLE)
    if not block:
        return
    from prefect.utilities.asyncutils import run_coro_as_sync

    try:
        run_coro_as_sync(_call(block, message))
    except Exception as error:
        logger.error("webhook block %s could not be called: %s", block, error)


def _named(flow_run: Any) -> str:
    """Return the name that a run has now: a night gives it one once it knows its day, which is after it has begun."""
    with contextlib.suppress(httpx.HTTPError), get_client(sync_client=True) as client:
        return str(client.read_flow_run(flow_run.id).name)
    return str(flow_run.name)


async def _call(block: str, message: str) -> None:
    from prefect.blocks.webhook import Webhook

    webhook: Any = await Webhook.aload(block)
    await webhook.call(payload={"text": message})
