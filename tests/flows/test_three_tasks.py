"""What docs/three_tasks.md promises of a failed night; the other two tasks are run by `.ci/readme`."""

import datetime as dt
import shutil
from pathlib import Path

import pytest

from flows.stages import StageFailed
from tasks.core.layout import Workspace
from tasks.core.run_key import RunKey
from tasks.night.calendar import note_failure
from tests.flows.small_night import REPOSITORY, dwell

pytestmark = pytest.mark.slow

CAUSE = "stage validate failed: 2 table rule(s) stop the run\n  2026-01-16 min_rows: 7, expected at least 1,000 rows"


def test_two_commands_lead_from_a_page_at_seven_to_the_cause(tmp_path: Path) -> None:
    shutil.copy(REPOSITORY / "params.yaml", tmp_path)
    key = RunKey(as_of=dt.date(2026, 1, 16), source="simulator", data="d", arithmetic="native")
    note_failure(Workspace(tmp_path), key, StageFailed(CAUSE), ["validate: read 12 days", "the last line of its log"])
    attempt, *_ = [line for line in dwell(tmp_path, "status").splitlines() if line.startswith("last attempt: ")]
    assert attempt.split() == ["last", "attempt:", "night", "2026-01-16", "failed", *CAUSE.splitlines()[0].split()]
    dwell(tmp_path, "site")
    page = (tmp_path / "site/simulator/2026-01-16/failure.html").read_text()
    assert "7, expected at least 1,000 rows" in page and "the last line of its log" in page
