"""Events as a file, one line of JSON each, and as requests to a receiver."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import requests
from openlineage.client.event_v2 import RunEvent
from openlineage.client.serde import Serde
from openlineage.client.transport.http import ApiKeyTokenProvider, HttpConfig, HttpTransport, TokenProvider

from tasks.core.errors import ConfigError, MachineError
from tasks.core.files import write_text

_ENDPOINT = "api/v1/lineage"
"""What receivers of OpenLineage listen on."""
_PATIENCE_S = 5.0
"""How long a receiver may take for one event; it is asked twice, and after the first that it does not take no more."""


@dataclass(frozen=True)
class Receiver:
    """Who is sent events, by the variables that all clients of OpenLineage read.

    Attributes:
        url: of the server.
        endpoint: path of its API.
        api_key: sent as a bearer token; None: none.
    """

    url: str
    endpoint: str = _ENDPOINT
    api_key: str | None = None

    @classmethod
    def named(cls, environment: Mapping[str, str] = os.environ) -> "Receiver | None":
        """Return the receiver that OPENLINEAGE_URL names; None: nobody is to be sent anything."""
        url = environment.get("OPENLINEAGE_URL")
        if not url or environment.get("OPENLINEAGE_DISABLED", "").lower() == "true":
            return None
        return cls(url, environment.get("OPENLINEAGE_ENDPOINT", _ENDPOINT), environment.get("OPENLINEAGE_API_KEY"))

    def send(self, events: Sequence[RunEvent]) -> None:
        """Send events in order, until one is not taken.

        Raises:
            ConfigError: if the address is none.
            MachineError: if the receiver cannot be reached, or refuses an event.
        """
        auth = ApiKeyTokenProvider({"api_key": self.api_key}) if self.api_key else TokenProvider({})
        config = HttpConfig(self.url, self.endpoint, timeout=_PATIENCE_S, auth=auth, retry={"total": 1})
        try:
            transport = HttpTransport(config)
        except ValueError:
            raise ConfigError(f"OPENLINEAGE_URL is {self.url!r}: name a server, such as http://lineage:5000") from None
        taken = 0
        try:
            for event in events:
                transport.emit(event)
                taken += 1
        except requests.RequestException as error:
            cause = " ".join(str(error).split())[:300]
            raise MachineError(
                f"the receiver that OPENLINEAGE_URL names took {taken} of {len(events)} lineage events and then no more ({cause}): "
                "`dwell lineage` sends them again"
            ) from error
        finally:
            transport.close()


def write_events(path: Path, events: Sequence[RunEvent]) -> Path:
    """Write events, one line of JSON each; equal events give equal bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    return write_text(path, "".join(f"{Serde.to_json(event)}\n" for event in events))
