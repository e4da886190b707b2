"""A source is tried as a night would read it, and nothing is left behind."""

from pathlib import Path
from typing import Any

import polars as pl
import pytest
from pydantic import TypeAdapter

from benchmarks.foreign_log import foreign_log, write
from tasks.config import Window
from tasks.core.errors import SourceError, ValidationFailed
from tasks.ingest.config import SourceConfig
from tasks.onboard import check as module
from tasks.onboard.check import check
from tasks.validate.config import TableRulesConfig, ValidationConfig

WINDOW = Window(fit_days=2, lookback_days=1)
RULES = ValidationConfig(tables=TableRulesConfig(min_rows=100))


def source(path: Path, **changes: Any) -> SourceConfig:
    columns = {"user_id": "viewer_id", "video_id": "clip_id", "event_time_ms": "started_at", "watch_ms": "watched_seconds",
               "duration_ms": "length_seconds", "like": "liked"}  # fmt: skip
    log = {"delimiter": ";", "duration_unit": "s", "columns": columns} | changes
    config: SourceConfig = TypeAdapter(SourceConfig).validate_python(
        {"kind": "table", "path": str(path), "impressions": log}
    )
    return config


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write(foreign_log(days=6, rows_per_day=400, viewers=50, clips=20, plain=True), tmp_path / "clips.csv.gz")
    return tmp_path / "clips.csv.gz"


@pytest.mark.slow
def test_a_sound_source_passes_and_leaves_nothing(log: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said = list(check(source(log), WINDOW, RULES, tmp_path / "scratch").lines())
    assert said[0] == "night 2024-03-06: 5 days from 2024-03-02 on, 2000 rows"
    assert said[-1] == "nothing stops it"
    monkeypatch.setattr(module, "ROWS", 600)
    found = check(source(log), WINDOW, RULES, tmp_path / "scratch")
    assert found.every == 4
    assert found.result.rows_in == 500
    assert not list((tmp_path / "scratch").iterdir())


@pytest.mark.slow
def test_what_would_stop_a_night_is_told_and_nothing_is_left(log: Path, tmp_path: Path) -> None:
    with pytest.raises(
        ValidationFailed, match=r"^\d+ table rule\(s\) stop the run\n(.|\n)*2024-03-06 quarantined_share"
    ):
        check(source(log, duration_unit="ms"), WINDOW, RULES, tmp_path / "scratch")
    assert not list((tmp_path / "scratch").iterdir())


def test_every_problem_of_the_files_is_told(log: Path, tmp_path: Path) -> None:
    frame = foreign_log(days=6, rows_per_day=40, viewers=50, clips=20, plain=True)
    write(frame.with_columns(watched_seconds=pl.lit("long")), log)
    with pytest.raises(SourceError, match=r"clips.csv.gz, line 2: column 'watched_seconds' holds 'long'"):
        check(source(log), WINDOW, RULES, tmp_path / "scratch")
    with pytest.raises(SourceError, match=r"lacks column 'viewer_id'.*set impressions.delimiter to ';'"):
        check(source(log, delimiter=","), WINDOW, RULES, tmp_path / "scratch")
