"""A headless browser, where there is one, and what it makes of a page."""

import shutil
import subprocess
from pathlib import Path

import pytest

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")


@pytest.fixture(scope="session")
def browser() -> str:
    found = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if found is None:
        pytest.skip(f"needs a headless browser, one of {', '.join(BROWSERS)}")
    return found


def dump(browser: str, page: Path, profile: Path, query: str = "") -> str:
    """Return a page once its scripts have run for three seconds of its own time, as HTML.

    Args:
        browser: program.
        page: file to open.
        profile: folder for what the browser keeps.
        query: of the address, `?...`.
    """
    command = [
        *(browser, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"),
        *(f"--user-data-dir={profile}", "--window-size=1400,1000", "--virtual-time-budget=3000", "--dump-dom"),
        page.absolute().as_uri() + query,
    ]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout
