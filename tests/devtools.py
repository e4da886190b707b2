"""A page in a headless browser that tests steer: what it says, what it fetches, and a mouse over it."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import requests
from websockets.sync.client import ClientConnection, connect

_PATIENCE = 60.0
"""Seconds until a test gives up on the browser."""


class Tab:
    """One page.

    Attributes:
        said: what it wrote to the console, and what the browser had to say of it.
        asked: addresses it asked for, its own among them.
    """

    def __init__(self, connection: ClientConnection) -> None:
        self.said: list[str] = []
        self.asked: list[str] = []
        self._connection, self._number = connection, 0
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.do(f"{domain}.enable")

    def do(self, method: str, **params: Any) -> dict[str, Any]:
        """Send a command of the DevTools protocol, and return its result."""
        self._number += 1
        self._connection.send(json.dumps({"id": self._number, "method": method, "params": params}))
        while True:
            message = json.loads(self._connection.recv(_PATIENCE))
            if message.get("id") == self._number:
                assert "error" not in message, message
                result: dict[str, Any] = message["result"]
                return result
            self._note(message)

    def _note(self, message: dict[str, Any]) -> None:
        params = message.get("params", {})
        match message.get("method"):
            case "Network.requestWillBeSent":
                self.asked.append(params["request"]["url"])
            case "Runtime.consoleAPICalled":
                self.said.append(" ".join(str(one.get("value", one.get("description"))) for one in params["args"]))
            case "Runtime.exceptionThrown":
                self.said.append(json.dumps(params["exceptionDetails"]))
            case "Log.entryAdded":
                self.said.append(params["entry"]["text"])

    def open(self, page: Path, width: int = 1400, height: int = 1000, scripts: bool = True) -> None:
        """Open a file at a size of the window, with scripts or without."""
        self.do("Emulation.setScriptExecutionDisabled", value=not scripts)
        self.do("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        self.do("Page.navigate", url=page.absolute().as_uri())
        self.until("document.readyState === 'complete'")

    def value(self, expression: str) -> Any:
        """Return the value of an expression in the page; its own scripts need not run for that."""
        found = self.do("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def until(self, expression: str) -> None:
        """Wait until an expression is true."""
        end = monotonic() + _PATIENCE
        while not self.value(f"!!({expression})"):
            assert monotonic() < end, (expression, self.said)
            sleep(0.05)

    def point(self, selector: str, click: bool = False) -> None:
        """Move the mouse over the middle of an element, and click there."""
        self.value(
            f"document.querySelector({json.dumps(selector)}).scrollIntoView({{block: 'center', behavior: 'instant'}})"
        )
        box = self.value(f"document.querySelector({json.dumps(selector)}).getBoundingClientRect().toJSON()")
        at: dict[str, Any] = {"x": box["x"] + box["width"] / 2, "y": box["y"] + box["height"] / 2}
        self.do("Input.dispatchMouseEvent", type="mouseMoved", **at)
        if click:
            for kind in ("mousePressed", "mouseReleased"):
                self.do("Input.dispatchMouseEvent", type=kind, button="left", clickCount=1, **at)

    def media(self, kind: str = "screen", scheme: str = "light") -> None:
        """Show the page on screen or on paper, to a reader who likes light or dark."""
        self.do("Emulation.setEmulatedMedia", media=kind, features=[{"name": "prefers-color-scheme", "value": scheme}])


@contextmanager
def steered(browser: str, profile: Path) -> Iterator[Tab]:
    """Start a browser with one page.

    Args:
        browser: program.
        profile: folder for what it keeps.
    """
    command = [
        *(browser, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"),
        *(f"--user-data-dir={profile}", "--remote-debugging-port=0", "about:blank"),
    ]
    noted = profile / "DevToolsActivePort"
    noted.unlink(missing_ok=True)
    running = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        with connect(_address(running, noted), max_size=None) as connection:
            yield Tab(connection)
    finally:
        running.terminate()
        running.wait(_PATIENCE)


def _address(running: subprocess.Popen[bytes], noted: Path) -> str:
    """Return where the page is steered from, once the browser has noted its port."""
    end = monotonic() + _PATIENCE
    while not (noted.is_file() and noted.read_text().count("\n")):
        assert running.poll() is None and monotonic() < end, "the browser did not start"
        sleep(0.05)
    port = noted.read_text().splitlines()[0]
    pages = requests.get(f"http://127.0.0.1:{port}/json/list", timeout=_PATIENCE).json()
    return next(str(page["webSocketDebuggerUrl"]) for page in pages if page["type"] == "page")
