"""A day that is lost for good, accepted with a reason: no stage learns from it, looks back on it, or hides it."""

import datetime as dt
from pathlib import Path
from typing import Any

import pytest
import yaml

from tasks.config import load_params
from tasks.core.errors import ConfigError
from tasks.core.files import read_json
from tasks.core.layout import Workspace, partition_days
from tasks.night.key import prepare_night
from tasks.report.sections.data import volume
from tasks.stages import STAGES, Night
from tasks.validate.summary import DataSummary
from tests.flows.small_night import make_workspace, tiny_params

LOST, REASON = "2026-01-12", "collector outage"


def params() -> dict[str, Any]:
    changed = tiny_params()
    changed["window"] |= {"fit_days": 3, "accepted_gaps": {LOST: REASON}}
    return changed


@pytest.mark.slow
def test_no_stage_reads_the_day_and_the_report_says_so(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    workspace = Workspace(make_workspace(tmp_path / "w", params()))
    prepare_night(workspace, as_of=dt.date(2026, 1, 15))
    for stage in ("ingest", "validate", "features", "table"):
        STAGES[stage](Night.load(workspace), None)
    for folder in (
        "raw/impressions",
        "validated/impressions",
        "validated/quarantine",
        "features/daily",
        "features/rows",
    ):
        days = [day.isoformat() for day in partition_days(workspace.root / "data" / folder)]
        assert LOST not in days
        assert "2026-01-13" in days
    assert read_json(workspace.table / "table.json")["days"]["fit"] == ["2026-01-11", "2026-01-13"]
    summary = read_json(workspace.validated / "summary.json")
    assert summary["gaps"] == {LOST: REASON}
    said = f"Nothing was read of {LOST}: a person accepted that the day is lost ({REASON})."
    assert said in str(volume(DataSummary.model_validate(summary)))
    assert f"leaves out {LOST} ({REASON}), but" in caplog.text, "the simulator has rows of every day"


def test_bare_days_and_missing_reasons_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    for gaps, says in (
        ({dt.date(2026, 1, 12): REASON}, 'a key has to be text: write "2026-01-12"'),
        ({LOST: "  "}, f"window.accepted_gaps.{LOST}"),
        ({"soon": REASON}, "window.accepted_gaps.soon"),
    ):
        path.write_text(yaml.safe_dump(tiny_params() | {"window": {"accepted_gaps": gaps}}))
        with pytest.raises(ConfigError, match=says):
            load_params(path)
