"""Alerts of an installation: Prefect automations that call its webhook for what happens to nights."""

import os
from typing import Any

from prefect.automations import Automation, EventTrigger
from prefect.client.orchestration import get_client
from prefect.events import emit_event
from prefect.events.actions import CallWebhook
from prefect.exceptions import ObjectNotFound

from flows.notify import WEBHOOK_VARIABLE
from tasks.core.errors import ConfigError

ALARM = "dwell.alarm"
"""Event of a night that was decided and whose data or metrics look unlike the nights before."""
_PREFIX = "dwell: "
_OF_A_NIGHT: dict[str, Any] = {
    "match": {"prefect.resource.id": "prefect.flow-run.*"},
    "match_related": {"prefect.resource.role": "flow", "prefect.resource.name": "nightly"},
}
_OF_A_SOURCE: dict[str, Any] = {"match": {"prefect.resource.id": "dwell.source.*"}}


def register() -> tuple[str, ...]:
    """Make the automations of the server, in place of earlier ones; return their names, none without a webhook.

    A failure calls the webhook itself (`flows.notify`), so that it does even while the server is away.

    Raises:
        ConfigError: if the server has no webhook block of the name in the environment.
    """
    name = os.environ.get(WEBHOOK_VARIABLE)
    if not name:
        return ()
    with get_client(sync_client=True) as client:
        try:
            block = client.read_block_document_by_name(name, "webhook").id
        except ObjectNotFound as error:
            raise ConfigError(
                f"{WEBHOOK_VARIABLE} names {name!r}, but the server has no webhook block of that name: create it first "
                "(infra/README.md)"
            ) from error
        for earlier in client.read_automations():
            if earlier.name.startswith(_PREFIX):
                client.delete_automation(earlier.id)
    alerts = {
        "a night is decided": (_trigger("prefect.flow-run.Completed", _OF_A_NIGHT), "{{ flow_run.name }} is decided"),
        "a night is late": (
            _trigger("prefect.flow-run.Late", _OF_A_NIGHT),
            "{{ flow_run.name }} is late: no worker has begun it",
        ),
        "an alarm": (_trigger(ALARM, _OF_A_SOURCE), "{{ event.payload.text }}"),
    }
    for what, (trigger, text) in alerts.items():
        call = CallWebhook(block_document_id=block, payload=_payload(text))
        Automation(name=_PREFIX + what, trigger=trigger, actions=[call]).create()
    return tuple(_PREFIX + what for what in alerts)


def raise_alarm(source: str, text: str) -> None:
    """Send the event of an alarm."""
    emit_event(event=ALARM, resource={"prefect.resource.id": f"dwell.source.{source}"}, payload={"text": text})


def _trigger(event: str, of: dict[str, Any]) -> EventTrigger:
    return EventTrigger(expect={event}, posture="Reactive", threshold=1, **of)


def _payload(text: str) -> str:
    """Return a template of JSON whose text is quoted after it is filled in."""
    return '{"text": {% filter tojson %}' + text + "{% endfilter %}}"
