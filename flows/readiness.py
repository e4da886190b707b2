"""Whether a Prefect server answers: what follows its start asks for that, and waits for no fixed time."""

import contextlib
import sys
import time

import requests

from tasks.core.errors import MachineError

PATIENCE_S = 60.0
"""For a server that somebody is just starting in another shell; migrating its database takes some twenty seconds."""
_POLL_S = 0.5


def answers(api: str) -> bool:
    """Return whether a server answers at an address now."""
    with contextlib.suppress(requests.RequestException):
        return requests.get(f"{api}/health", timeout=2).ok
    return False


def wait_until_it_answers(api: str, patience_s: float = PATIENCE_S) -> None:
    """Return once a server answers at an address.

    Args:
        api: the address, as `PREFECT_API_URL` names it.
        patience_s: seconds after which it is given up.

    Raises:
        MachineError: if none does by then.
    """
    until, said = time.monotonic() + patience_s, False
    while not answers(api):
        if time.monotonic() > until:
            raise MachineError(
                f"no Prefect server answers at {api}: start one (`dwell serve`), or name another in PREFECT_API_URL"
            )
        if not said:
            print(f"waiting for the Prefect server at {api}", file=sys.stderr)
            said = True
        time.sleep(_POLL_S)
