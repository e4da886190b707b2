"""Fixtures shared by all tests, and how they are dealt to workers."""

import gc
import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadFileScheduling

from tasks.core import arithmetic
from tests.browser import browser as browser
from tests.prefect_server import embedded_home as embedded_home
from tests.prefect_server import prefect_server as prefect_server
from tests.s3_server import bucket as bucket
from tests.s3_server import store_server as store_server

# Before a test loads numpy: what is computed here then has the bytes of what child processes compute.
arithmetic.pin_default()
arithmetic.limit_threads()

REPOSITORY = Path(__file__).resolve().parent.parent
WITH = {"tests/threads": "tests/flows"}
"""Folder -> the one whose worker has the server that it needs too."""


class LoadFolderScheduling(LoadFileScheduling):
    """Gives a folder's tests to one worker, which then builds the fixtures they share once."""

    def _split_scope(self, nodeid: str) -> str:
        folder = nodeid.split("::", 1)[0].rpartition("/")[0]
        return WITH.get(folder, folder)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadFolderScheduling:
    """Deal whole folders, in the order they were collected in."""
    return LoadFolderScheduling(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the folders that hold most slow tests: begun last, they would run alone."""
    slow = Counter(item.path.parent for item in items if item.get_closest_marker("slow"))
    items.sort(key=lambda item: ("flows" not in item.path.parts, -slow[item.path.parent]))


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave out files whose tests are all left out: what only they import (Prefect, Optuna) takes seconds."""
    if config.option.markexpr != "not slow" or collection_path.suffix != ".py":
        return None
    return "\npytestmark = pytest.mark.slow\n" in collection_path.read_text() or None


def pytest_collection_finish() -> None:
    """Spare the garbage collector what was imported: it lives to the end, and would be looked through again and again."""
    gc.freeze()


@pytest.fixture(scope="session")
def shared_data() -> Callable[[str], Path]:
    """Return a function that finds a folder of real data below $DWELL_DATA, or skips the test where it is absent."""

    def find(name: str) -> Path:
        root = Path(os.environ.get("DWELL_DATA", REPOSITORY.parent / "shared/data"))
        folder = root / name
        if not folder.is_dir():
            pytest.skip(f"needs the real data folder {name}: set DWELL_DATA to the folder that holds it")
        return folder

    return find
