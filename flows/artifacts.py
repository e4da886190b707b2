"""What a night shows in Prefect's UI: for people to read, and nothing that a night fails for."""

import logging
from collections.abc import Callable

import httpx

from flows.embedded import is_embedded

_log = logging.getLogger(__name__)


def show(create: Callable[..., object], key: str, **content: str) -> None:
    """Create an artifact; that a server is away, which its owner will start again, is said in the log.

    Args:
        create: one of `prefect.artifacts`.
        key: its key.
        content: its further arguments.

    Raises:
        httpx.HTTPError: if the embedded server has died: the night has none then.
    """
    try:
        create(key=key, **content)
    except httpx.HTTPError as error:
        if is_embedded():
            raise
        _log.warning("the Prefect server did not take the artifact %s (%s)", key, error or type(error).__name__)
