"""Tell a person that a night failed: through a webhook block if one is configured, always in the log."""

import os
from typing import Any

from prefect.logging import get_logger

WEBHOOK_VARIABLE = "DWELL_WEBHOOK_BLOCK"
"""Environment variable that names a Prefect Webhook block (`prefect block register -m prefect.blocks.webhook`)."""


def notify(flow: Any, flow_run: Any, state: Any) -> None:
    """Send the failure of a flow run; a failing webhook is logged and never hides the failure itself."""
    logger = get_logger("dwell.notify")
    message = f"{flow.name} run {flow_run.name} is {state.name}: {state.message}"
    logger.error(message.partition("\n")[0])
    block = os.environ.get(WEBHOOK_VARIABLE)
    if not block:
        return
    from prefect.utilities.asyncutils import run_coro_as_sync

    try:
        run_coro_as_sync(_call(block, message))
    except Exception as error:
        logger.error("webhook block %s could not be called: %s", block, error)


async def _call(block: str, message: str) -> None:
    from prefect.blocks.webhook import Webhook

    webhook: Any = await Webhook.aload(block)
    await webhook.call(payload={"text": message})
