"""What a night shows in Prefect's UI: for people to read, and nothing that a night fails for."""

import contextlib
import logging
from collections.abc import Callable, Iterator

import httpx
from prefect.client.orchestration import get_client
from prefect.runtime import flow_run

from flows.embedded import is_embedded

_log = logging.getLogger(__name__)


def show(create: Callable[..., object], key: str, **content: str | float) -> None:
    """Create an artifact; that a server is away, which its owner will start again, is said in the log.

    Args:
        create: one of `prefect.artifacts`.
        key: its key.
        content: its further arguments.

    Raises:
        httpx.HTTPError: if the embedded server has died: the night has none then.
    """
    with _shown(f"the artifact {key}"):
        create(key=key, **content)


def name_run(name: str) -> None:
    """Call the run of the flow at work by what it is about, where people look for it; errors as for `show`."""
    with _shown(f"the name {name!r}"), get_client(sync_client=True) as client:
        client.update_flow_run(flow_run.id, name=name)


@contextlib.contextmanager
def _shown(what: str) -> Iterator[None]:
    try:
        yield
    except httpx.HTTPError as error:
        if is_embedded():
            raise
        _log.warning("the Prefect server did not take %s (%s)", what, error or type(error).__name__)
