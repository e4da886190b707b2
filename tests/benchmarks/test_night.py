"""Who spent a run's CPU time: of real processes that burn what they are told."""

import os
import sys
from pathlib import Path

import pytest

from benchmarks.night.accounts import LASTING, REST, RUN, Lasting, by_who
from benchmarks.parts.process import cost_of
from tasks.core.errors import SourceError

BURN = "import sys, time\nwhile time.process_time() < float(sys.argv[1]): pass\n"
TREE = f"""
import subprocess, sys, time
start = lambda *words: subprocess.Popen([sys.executable, "-S", "-c", {BURN!r}, *words])
server = start("0.6", "uvicorn")
start("0.3", "a stage").wait()
start("0.2", "DVC").wait()
while time.process_time() < 0.4: pass
server.wait()
time.sleep(0.3)
"""


@pytest.mark.slow
def test_what_nobody_is_known_to_have_spent_is_the_rest(tmp_path: Path) -> None:
    lasting = Lasting()
    cost = cost_of([sys.executable, "-S", "-c", TREE], tmp_path, os.environ, lasting.look)
    assert cost.cpu_s == pytest.approx(0.6 + 0.3 + 0.2 + 0.4, abs=0.2)
    server = LASTING["uvicorn"]
    assert lasting.cpu_s == {RUN: pytest.approx(0.4, abs=0.2), server: pytest.approx(0.6, abs=0.2)}
    found = by_who(cost.cpu_s, {"a stage": 0.3}, lasting.cpu_s)
    assert list(found) == ["a stage", RUN, server, REST]
    assert found[REST] == pytest.approx(0.2, abs=0.4)
    assert sum(found.values()) == pytest.approx(cost.cpu_s)


def test_a_process_that_fails_says_why(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="ended with 3: no data\n"):
        cost_of([sys.executable, "-S", "-c", "import sys; print('no data'); sys.exit(3)"], tmp_path, os.environ)
