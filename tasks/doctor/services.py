"""The Prefect server, where one is configured."""

import os
from collections.abc import Iterator

import requests

from tasks.doctor.finding import Finding

_TIMEOUT_S = 5


def services() -> Iterator[Finding]:
    """Yield what is wrong with the server that PREFECT_API_URL names; without it a night brings its own."""
    api = os.environ.get("PREFECT_API_URL")
    if not api:
        return
    try:
        answered = requests.get(f"{api}/health", timeout=_TIMEOUT_S)
    except requests.RequestException as error:
        yield Finding(
            f"the Prefect server at {api} cannot be reached ({type(error).__name__})",
            "start it (`dwell serve`), or unset PREFECT_API_URL",
        )
        return
    if not answered.ok:
        yield Finding(f"the Prefect server at {api} answers {answered.status_code}", "look at its log, start it again")
