"""Nights on logs that hold next to nothing: each ends in a decision or in a refusal that names what is missing."""

import datetime as dt
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import yaml

from flows.cli import app
from flows.stages import stage_graph
from tasks.core.errors import USER_ERROR
from tasks.core.files import read_json
from tasks.main import main
from tests.flows.small_night import REPOSITORY, tiny_params

pytestmark = pytest.mark.slow

FIRST, NUM_DAYS, PER_DAY = dt.date(2024, 3, 1), 6, 150
NIGHT = FIRST + dt.timedelta(days=NUM_DAYS - 1)
VALIDATION, JUDGE = NUM_DAYS - 2, NUM_DAYS - 1
COLUMNS = {"user_id": "uid", "video_id": "vid", "event_time_ms": "ts", "watch_ms": "play", "duration_ms": "dur",
           "like": "liked", "policy": "is_random"}  # fmt: skip

Change = Callable[[pl.DataFrame], pl.DataFrame]


def log() -> pl.DataFrame:
    """Return a log in which something can be learned: whoever watches longer, watches all longer."""
    draw = np.random.default_rng(3)
    rows = NUM_DAYS * PER_DAY
    start = int(dt.datetime.combine(FIRST, dt.time(0, 10), dt.UTC).timestamp()) * 1000
    user, video = draw.integers(0, 40, rows), draw.integers(0, 25, rows)
    duration = 8_000 + 1_000 * video
    day = np.arange(rows) // PER_DAY
    return pl.DataFrame(
        {
            "uid": user,
            "vid": 100 + video,
            "ts": start + day * 86_400_000 + np.arange(rows) % PER_DAY * 570_000,
            "play": (duration * np.clip(user / 40 + draw.normal(0, 0.2, rows), 0.01, 1.5)).astype(np.int64),
            "dur": duration,
            "liked": (draw.random(rows) < 0.2).astype(int),
            "is_random": (draw.random(rows) < 0.1).astype(int),
            "day": day,
        }
    )


def on(day: int, **values: pl.Expr) -> Change:
    """Change columns of one day."""
    return lambda rows: rows.with_columns(
        pl.when(pl.col("day") == day).then(value).otherwise(pl.col(name)).alias(name) for name, value in values.items()
    )


def all_days(**values: pl.Expr) -> Change:
    """Change columns of all days."""
    return lambda rows: rows.with_columns(**values)


def params(path: Path) -> dict[str, Any]:
    """Return a night of a few seconds on such a log, whose gate asks for next to nothing."""
    night = tiny_params()
    log = {"files": "log.parquet", "time_unit": "ms", "duration_unit": "ms", "columns": COLUMNS}
    night["sources"]["log"] = {"kind": "table", "path": str(path), "timezone": "UTC", "impressions": log}
    night["default_source"] = "log"
    night["window"] |= {"fit_days": 2}
    night["training"] |= {"max_epochs": 1}
    night["evaluation"] |= {"replicates": 100}
    night["validation"] = {"tables": {"min_rows": 20}}
    night["gate"] |= {"minimum_rows": 20, "minimum_users": 1}
    return night


@pytest.fixture(scope="module")
def stages(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Stages in an order that can be run; the same for all of these nights."""
    root = workspace(tmp_path_factory.mktemp("graph"), log())
    (root / "run.yaml").write_text(
        yaml.safe_dump({"as_of": f"{NIGHT}", "source": "log", "data": str(root / "datasets")})
    )
    return list(stage_graph(root))


def workspace(root: Path, rows: pl.DataFrame) -> Path:
    """Make a workspace without code of its own: its stages run in this process."""
    (root / "datasets").mkdir()
    rows.drop("day").write_parquet(root / "datasets/log.parquet")
    (root / ".dvc").mkdir()
    (root / ".dvc/config").write_text("[core]\n    no_scm = true\n")
    shutil.copy(REPOSITORY / "dvc.yaml", root)
    for name in ("tasks", "models", "flows"):
        (root / name).symlink_to(REPOSITORY / name)
    (root / "params.yaml").write_text(yaml.safe_dump(params(root / "datasets"), sort_keys=False))
    return root


def run_night(stages: list[str]) -> int:
    """Run a night in the working directory until a stage refuses; return the exit status."""
    app(["prepare", "--as-of", f"{NIGHT}"], standalone_mode=False)
    for stage in stages:
        kind, _, recipe = stage.partition("@")
        if status := main([kind, *(["--recipe", recipe] if recipe else [])]):
            return status
    return 0


DECIDED: dict[str, tuple[Change, list[str], str]] = {
    "one user, no likes": (
        all_days(uid=pl.lit(7), liked=pl.lit(0)),
        ["like", "random_exposure"],
        r"no challenger was good enough.* lower bound undefined \(must be above 0\)",
    ),
    "one video, all exposure random": (
        all_days(vid=pl.lit(100), dur=pl.lit(10_000), is_random=pl.lit(1)),
        ["like", "random_exposure"],
        "no challenger was good enough.* over constant",
    ),
    "nothing watched on the validation day, no random exposure": (
        lambda rows: on(VALIDATION, play=pl.lit(0))(rows).with_columns(is_random=pl.lit(0)),
        ["like"],
        "no challenger was good enough.*Total error undefined",
    ),
    "every video skipped on the judge day": (
        on(JUDGE, play=pl.col("dur") * 6 // 100),
        ["like", "random_exposure"],
        r"no challenger was good enough.*Worst decile \+\d+\.\d+ % \(at most 1000 %\)",
    ),
    "every user seen once": (
        all_days(uid=pl.int_range(pl.len())),
        ["like", "random_exposure"],
        "d2q beats every trivial baseline",
    ),
}
"""What the log is -> the change that makes it so, capabilities, what the decision says."""
REFUSED: dict[str, tuple[Change, str]] = {
    "every video skipped at once on all days": (
        all_days(play=pl.lit(1)),
        r"plausible\(watch\): a median watch of 0.001\d* s, expected between",
    ),
    "no judge day": (
        lambda rows: rows.filter(pl.col("day") != JUDGE),
        "night 2024-03-06 lies outside: choose as_of between 2024-03-04 and 2024-03-05",
    ),
}
"""What the log is -> the change that makes it so, what the refusal says."""


@pytest.mark.parametrize("name", DECIDED)
def test_a_night_that_can_be_run_ends_in_a_decision(
    name: str, tmp_path: Path, stages: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    change, capabilities, reason = DECIDED[name]
    root = workspace(tmp_path, change(log()))
    monkeypatch.chdir(root)
    assert run_night(stages) == 0
    assert read_json(root / "data/raw/source.json")["capabilities"] == capabilities
    assert re.search(reason, read_json(root / "artifacts/gate/decision.json")["reason"], re.DOTALL)
    assert (root / "artifacts/report/report.html").exists()


@pytest.mark.parametrize("name", REFUSED)
def test_a_night_that_cannot_be_run_is_refused_by_name(
    name: str, tmp_path: Path, stages: list[str], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    change, refusal = REFUSED[name]
    monkeypatch.chdir(workspace(tmp_path, change(log())))
    assert run_night(stages) == USER_ERROR
    said = capfd.readouterr().err
    assert re.search(f"^error: .*{refusal}", said, re.MULTILINE | re.DOTALL), said
    assert "Traceback" not in said


def test_a_night_on_selected_rows_ends_in_a_decision_and_its_page_says_what_steps_read(
    tmp_path: Path, stages: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    root = workspace(tmp_path, log())
    night = params(root / "datasets") | {"table": {"selection": {"kind": "rare", "share": 0.4, "seed": 1}}}
    (root / "params.yaml").write_text(yaml.safe_dump(night, sort_keys=False))
    monkeypatch.chdir(root)
    assert run_night(stages) == 0
    found = read_json(root / "data/table/table.json")["selection"]
    manifest = read_json(root / "artifacts/models/recipes/d2q/manifest.json")
    assert manifest["selection"] == found and manifest["rows"]["fit"] == found["pool"] > 2 * found["kept"]
    assert "d2q" in read_json(root / "artifacts/gate/decision.json")["reason"]
    page = (root / "artifacts/report/report.html").read_text()
    assert f"Steps read {found['kept']:,} of {found['pool']:,} fit rows" in page
    assert "Quantiles, counts and propensities are those of all fit rows." in page
    assert list((root / "artifacts/scores").rglob("*.parquet"))
