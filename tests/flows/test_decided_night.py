"""What a person does with a night that is decided: Python, scores, explanations, and nights held beside each other."""

import contextlib
import datetime as dt
import json
import re
import shutil
from pathlib import Path
from zoneinfo import ZoneInfo

import polars as pl
import pytest
import torch
import yaml
from pytest import approx

import dwell as dwell_api
from benchmarks.same_bytes.__main__ import SOURCE, left
from tasks.core.files import NIGHT_FILE, hash_tree
from tasks.core.layout import Workspace
from tasks.core.predictions import SECONDS_AND_SCORE, column, probability
from tasks.predict import Bundle
from tasks.registry import Registry
from tests.flows.small_night import REPOSITORY, dwell

pytestmark = pytest.mark.slow


def test_seconds_of_uniform_exposure_are_not_served_where_the_random_rows_do_not_tell_them(
    decided: Path, tmp_path: Path
) -> None:
    root = shutil.copytree(decided, tmp_path / "uniform")
    params = yaml.safe_load((root / "params.yaml").read_text())
    params["score"]["serve_population"] = "uniform"
    (root / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))
    refused = dwell(root, "stage", "score", status=2)
    assert "score.serve_population is uniform, but d2q does not know those seconds: " in refused
    assert "were exposed at random on the day: 500 rows of 200 users are needed" in refused


def test_what_nights_left_is_compared_without_clocks(decided: Path, tmp_path: Path) -> None:
    """The reading of `benchmarks.same_bytes`."""
    root = shutil.copytree(decided, tmp_path / "copy")
    expected = left(decided)
    ledger = root / f"registry/{SOURCE}/ledger.jsonl"
    event = json.loads(ledger.read_text())
    ledger.write_text(json.dumps(event | {"recorded_at": "2001-01-01T00:00:00+00:00"}) + "\n")
    assert left(root) == expected
    ledger.write_text(json.dumps(event | {"kind": "held"}) + "\n")
    next(root.glob("metrics/*.json")).write_text("{}")
    changed = {name for name, value in left(root).items() if expected[name] != value}
    assert changed == {"ledger 0", next(root.glob("metrics/*.json")).relative_to(root).as_posix()}


def test_python_predicts_of_raw_rows_what_the_night_judged(decided: Path) -> None:
    model = dwell_api.load("d2q", decided)
    clean = pl.read_parquet(decided / "data/validated/impressions/day=2026-01-15/part.parquet")
    known = ["user_id", "video_id", "scene", "event_time_ms", "known_at_ms", "duration_ms", "position"]
    predicted = model.predict(clean.select(known).sample(fraction=1, shuffle=True, seed=1))
    judged = pl.read_parquet(decided / "artifacts/predictions/d2q/judge.parquet")
    both = judged.join(predicted, on=["user_id", "video_id", "event_time_ms"], validate="1:1")
    assert both.height == predicted.height == clean.height
    seed = model.model.serving_seed
    for name in (*SECONDS_AND_SCORE, *map(probability, model.model.tasks)):
        assert both[name].to_numpy() == approx(both[column(name, seed)].to_numpy(), rel=1e-5), name


def test_python_and_dwell_score_give_what_the_night_serves(decided: Path, tmp_path: Path) -> None:
    root = shutil.copytree(decided, tmp_path / "workspace")
    served = pl.read_parquet(root / "artifacts/scores/scores.parquet")
    champion = dwell_api.load(workspace=root)
    predicted = champion.predict(served.select("user_id", "video_id", "scene"))
    assert predicted["watch_mean"].cast(pl.Float32).equals(served["watch_mean"])
    printed = dwell(root, "score")
    assert f"2026-01-16, {champion.name}: " in printed
    (scored,) = (root / "scored/2026-01-16").iterdir()
    (root / "artifacts/scores" / NIGHT_FILE).unlink()
    assert hash_tree(scored) == hash_tree(root / "artifacts/scores")
    entry = Registry(Workspace(root).registry("simulator")).status().champion
    assert repr(dwell_api.load(str(entry)[:8], root)) == repr(champion)
    assert "2026-01-15, d2q: " in dwell(root, "score", "d2q", "--day", "2026-01-15", "--out", str(tmp_path / "past"))
    past = pl.read_parquet(tmp_path / "past/scores.parquet").head(50)
    shown = dict.fromkeys(["event_time_ms"], dt.datetime(2026, 1, 15, 20, tzinfo=ZoneInfo("Asia/Shanghai")))
    again = champion.predict(past.select("user_id", "video_id", "scene").with_columns(**shown))
    assert again["watch_mean"].cast(pl.Float32).equals(past["watch_mean"])
    assert "the features hold no state for 2026-02-03" in dwell(root, "score", "--day", "2026-02-03", status=2)
    assert "no fitted model is called 'nobody': the night in run.yaml has d2q" in dwell(
        root, "score", "nobody", status=2
    )


def test_the_python_of_the_readme_runs(decided: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (block,) = re.findall(r"^```python\n(.*?)^```", (REPOSITORY / "README.md").read_text(), re.MULTILINE | re.DOTALL)
    with contextlib.chdir(decided):
        exec(block, {})
    assert "score" in capsys.readouterr().out


def test_what_a_model_embeds_is_what_its_tower_reads(decided: Path) -> None:
    model = dwell_api.load("d2q", decided)
    rows = pl.read_parquet(decided / "artifacts/scores/scores.parquet").head(300)
    embedded_BW = torch.from_numpy(model.embed(rows))
    assert isinstance(model.model, Bundle)
    ranker = model.model.rankers[model.model.serving_seed]
    videos = pl.read_parquet(decided / "data/validated/videos.parquet").select("video_id", "duration_ms")
    duration_B = rows.join(videos, on="video_id", how="left", maintain_order="left")["duration_ms"].to_torch() / 1000
    with torch.no_grad():
        score_B = ranker.head.score(ranker.towers["watch_time"](embedded_BW), duration_B)
    assert score_B.numpy() == approx(rows["score"].to_numpy(), rel=1e-5)


def test_the_fields_of_a_row_add_up_to_its_seconds(decided: Path) -> None:
    model = dwell_api.load("d2q", decided)
    rows = pl.read_parquet(decided / "artifacts/scores/scores.parquet").head(40).select("user_id", "video_id", "scene")
    found = model.explain(rows)
    assert found.filter("complete").height >= 38
    added = found.filter("complete").select(pl.sum_horizontal("^ig_.*$")).to_series()
    gap = found.filter("complete").select(pl.col("seconds") - pl.col("baseline_seconds")).to_series()
    assert added.to_numpy() == approx(gap.to_numpy(), rel=0.02, abs=0.1)
    assert found["ig_video_id"].n_unique() > 1


def test_the_status_of_one_source_names_the_others_that_have_nights(decided: Path, tmp_path: Path) -> None:
    root = shutil.copytree(decided, tmp_path / "workspace", symlinks=True)
    champion = Registry(Workspace(root).registry("simulator")).status().champion
    assert "source: simulator" in dwell(root, "status") and "also here" not in dwell(root, "status")
    params = yaml.safe_load((root / "params.yaml").read_text())
    (root / "params.yaml").write_text(yaml.safe_dump(params | {"default_source": "kuairand"}, sort_keys=False))
    said = dwell(root, "status")
    assert "source: kuairand\nchampion: none\n" in said
    expected = f"also here: simulator, night 2026-01-15, champion {champion} (`dwell status --source simulator`)"
    assert expected in said.splitlines()
