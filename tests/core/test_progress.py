"""A stage's bar: on a terminal only, with the time left by its last run, and logs stay whole lines."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tasks.core.layout import Workspace
from tasks.core.progress import time_left
from tasks.core.timings import StageCost, last_cost, write_timing
from tests.terminal import terminal

REPOSITORY = Path(__file__).resolve().parents[2]
CODE = """
import logging, sys, time
from pathlib import Path
from tasks.core import progress
from tasks.core.layout import Workspace

progress.SHORT_S, progress._TICK_S = 0.2, 0.05
logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
with progress.stage_bar(Workspace(Path(sys.argv[1])), "features"):
    time.sleep(1.2)
    logging.info("one whole line")
    time.sleep(0.1)
"""


def on_terminal(folder: Path) -> str:
    """Return what a terminal is sent by a stage that runs for a moment."""
    with terminal() as screen:
        command = [sys.executable, "-c", CODE, str(folder)]
        subprocess.run(command, cwd=REPOSITORY, stderr=screen.descriptor, check=True)
    return screen.sent


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    write_timing(Workspace(tmp_path), "features", StageCost(seconds=20, cpu_seconds=1, peak_mib=1))
    return Workspace(tmp_path)


def test_words_of_what_is_left() -> None:
    assert time_left(20, 5) == "about 15 s left"
    assert time_left(20, 25) == "25 s, last time 20 s"
    assert time_left(None, 7) == "7 s, here for the first time"


def test_the_last_run_is_what_is_expected(workspace: Workspace) -> None:
    assert last_cost(workspace, "features").seconds == 20
    assert last_cost(workspace, "train@d2q") is None


@pytest.mark.slow
def test_a_terminal_shows_the_time_left_and_whole_lines_of_logs(workspace: Workspace) -> None:
    sent = on_terminal(workspace.root)
    assert re.search(r"features +\d+%\|.*about 1\d s left", sent)
    before, _, _ = sent.partition("one whole line")
    assert before.rpartition("\r")[2].strip("\x1b[A") == "", "the bar was taken away before the line"
    assert sent.rpartition("\r")[2].strip() == "", "nothing is left of the bar"


@pytest.mark.slow
def test_what_never_ran_says_so(tmp_path: Path) -> None:
    assert "here for the first time" in on_terminal(tmp_path)


@pytest.mark.slow
def test_a_log_has_no_bar(workspace: Workspace) -> None:
    done = subprocess.run(
        [sys.executable, "-c", CODE, str(workspace.root)], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    assert done.stderr == "one whole line\n" and done.stdout == ""
