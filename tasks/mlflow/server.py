"""An MLflow server, asked over its public REST API: MLflow's own client cannot be installed beside what is locked.

Who is asked, and with which credentials, is read from the variables that MLflow's client reads.
"""

import os
import re
import time
from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.auth import AuthBase, HTTPBasicAuth

from tasks.core.errors import ConfigError, MachineError

URI = "MLFLOW_TRACKING_URI"
_API = "api/2.0/mlflow"
_MISSING = "RESOURCE_DOES_NOT_EXIST"
_PATIENCE_S = 30.0
"""How long one answer may take."""


class _Bearer(AuthBase):
    """A token in the header, where a `.netrc` would else put its own."""

    def __init__(self, token: str) -> None:
        self.token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self.token}"
        return request


class Server:
    """A server and a connection to it.

    Attributes:
        address: it, without credentials.
    """

    def __init__(self, uri: str, auth: AuthBase | None = None, patience_s: float | None = None) -> None:
        """Prepare to ask it.

        Args:
            uri: its address; credentials in it hold unless others are given.
            auth: credentials.
            patience_s: how long all answers together may take; None: as long as each answers in time.

        Raises:
            ConfigError: if the address is none of a server.
        """
        self.address = _address(uri.rstrip("/"))
        self._uri = uri.rstrip("/")
        self._session = requests.Session()
        self._session.auth = auth
        self._until = None if patience_s is None else time.monotonic() + patience_s

    @classmethod
    def named(
        cls, uri: str | None = None, environment: Mapping[str, str] = os.environ, patience_s: float | None = None
    ) -> "Server":
        """Return the server that MLFLOW_TRACKING_URI names.

        Args:
            uri: instead of the variable.
            environment: holds it, and MLFLOW_TRACKING_USERNAME with MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN.
            patience_s: how long all answers together may take.

        Raises:
            ConfigError: if no server is named.
        """
        uri = uri or environment.get(URI)
        if not uri:
            raise ConfigError(f"no MLflow server is named: set {URI}, such as http://mlflow:5000, or give --uri")
        user, password = (environment.get(f"MLFLOW_TRACKING_{name}") for name in ("USERNAME", "PASSWORD"))
        token = environment.get("MLFLOW_TRACKING_TOKEN")
        auth: AuthBase | None = None
        if user and password:
            auth = HTTPBasicAuth(user.encode(), password.encode())
        elif token:
            auth = _Bearer(token)
        return cls(uri, auth, patience_s)

    def __enter__(self) -> "Server":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._session.close()

    def ask(self, method: str, path: str, **given: Any) -> dict[str, Any]:
        """Send one request and return the answer.

        Args:
            method: GET, whose parameters travel in the address, or one whose do in the body.
            path: below the API.
            given: parameters; those that are None are left out.

        Raises:
            ConfigError: if the server asks for other credentials.
            MachineError: if it cannot be reached, or refuses.
        """
        found = self.find(method, path, **given)
        if found is None:
            raise MachineError(f"the MLflow server at {self.address} does not know what {path} asks for")
        return found

    def find(self, method: str, path: str, **given: Any) -> dict[str, Any] | None:
        """Send one request and return the answer; None where what is asked for does not exist. Errors are those of `ask`."""
        answer = self._send(method, path, {name: value for name, value in given.items() if value is not None})
        said = _json(answer)
        if answer.status_code == requests.codes.not_found and said.get("error_code") == _MISSING:
            return None
        if answer.status_code in (requests.codes.unauthorized, requests.codes.forbidden):
            raise ConfigError(
                f"the MLflow server at {self.address} refused {path} ({answer.status_code}): MLFLOW_TRACKING_USERNAME and "
                "MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN, name who may write there"
            )
        is_failure = answer.status_code >= requests.codes.internal_server_error
        if not answer.ok and (is_failure or said is not _NO_JSON):
            cause = " ".join(f"{said.get('error_code', '')} {said.get('message', '')}".split())[:300]
            raise MachineError(
                f"the MLflow server at {self.address} refused {path} ({answer.status_code} {cause or answer.reason})"
            )
        if said is _NO_JSON:
            raise MachineError(
                f"{self.address} does not answer {path} as a server of MLflow does: does {URI} name one, with the path it lies at?"
            )
        return said

    def pages(self, method: str, path: str, key: str, **given: Any) -> Iterator[dict[str, Any]]:
        """Yield the items of a list that comes in pages. Errors are those of `ask`.

        Args:
            method: GET or POST.
            path: below the API.
            key: of the list in an answer.
            given: parameters.
        """
        token: str | None = None
        while True:
            answer = self.ask(method, path, page_token=token, **given)
            yield from answer.get(key, ())
            token = answer.get("next_page_token")
            if not token:
                return

    def _send(self, method: str, path: str, given: Mapping[str, Any]) -> requests.Response:
        asked, body = (given, None) if method == "GET" else (None, given)
        wait_s = _PATIENCE_S if self._until is None else min(_PATIENCE_S, self._until - time.monotonic())
        cause = "it took too long"
        try:
            if wait_s > 0:
                return self._session.request(
                    method, f"{self._uri}/{_API}/{path}", params=asked, json=body, timeout=wait_s
                )
        except requests.RequestException as error:
            cause = " ".join(str(error).split()).replace(self._uri, self.address)[:300]
        raise MachineError(
            f"the MLflow server at {self.address} did not answer {path} ({cause}): `dwell mlflow` brings what is lacking there"
        )


def _address(uri: str) -> str:
    """Return an address without its credentials.

    Raises:
        ConfigError: if it is none of a server; what it holds is not shown, as it may be a password.
    """
    wrong = ConfigError(
        f"{URI} names no server of MLflow: write it as http://mlflow:5000, a user and a password before the host percent-encoded "
        "(@ is %40, / is %2F), or in MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD"
    )
    try:
        found = urlsplit(uri)
        host, port = found.hostname, found.port
    except ValueError as error:
        raise wrong from error
    place = found.path + found.query + found.fragment
    if found.scheme not in ("http", "https") or not host or found.netloc.count("@") > 1 or re.search(r"[@\s]", place):
        raise wrong
    shown = f"[{host}]" if ":" in host else host
    return f"{found.scheme}://{shown}{'' if port is None else f':{port}'}{found.path}"


_NO_JSON: dict[str, Any] = {}
"""What an answer says that is no object of JSON."""


def _json(answer: requests.Response) -> dict[str, Any]:
    try:
        said = answer.json()
    except ValueError:
        return _NO_JSON
    return said if isinstance(said, dict) else _NO_JSON
