"""The settings of the feedback benchmark are what they say, and its page shows what was measured."""

import datetime as dt
import math
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from benchmarks.feedback.differences import CANDIDATE, METRICS, differences, with_seed_variance
from benchmarks.feedback.planted import EVIDENCE, planted
from benchmarks.feedback.report import NAMES, write_setting
from benchmarks.feedback.settings import load_settings
from tasks.core.files import read_json, write_json
from tasks.core.labels import LABELS
from tasks.evaluate.config import EvaluationConfig
from tasks.evaluate.metrics.pairwise import xauc
from tasks.features.history import CODES
from tasks.simulate.config import SimulatorConfig
from tasks.simulate.model import bored
from tests.gate.conftest import paired

CONFIG = EvaluationConfig(replicates=100)
PLANTED = {
    "evidence": {name: {"share": 0.25, "bored": 0.5} for name in EVIDENCE},
    "gains": {"none": {"counts": 0.01, "truth": 0.02}},
}
CHANGED = {
    "skip_blind": ("encoder", "history", "reads"),
    "no_feedback": ("encoder", "history", "reads"),
    "no_context": ("encoder", "history", "reads"),
    "single_task": ("tasks",),
    "attention": ("encoder", "history"),
    "pooled": ("encoder", "history"),
    "none": ("encoder", "history"),
}
"""Recipe -> the only part in which it differs from the feedback-aware one."""


@pytest.mark.parametrize("name", load_settings())
def test_a_recipe_differs_in_its_one_part(name: str) -> None:
    protocol = load_settings()[name].load([3, 4])
    assert protocol.params.training.seeds == (3, 4)
    assert set(protocol.params.recipes) == {CANDIDATE, *CHANGED} == set(NAMES)
    run = {recipe for variant in protocol.variants.values() for recipe in variant.recipes} - {CANDIDATE}
    for recipe, path in CHANGED.items():
        if recipe not in run:
            continue
        aware, other = (protocol.params.recipe(each).model_dump() for each in (CANDIDATE, recipe))
        assert aware != other
        for document in (aware, other):
            _without(document, path)
            _without(document, ("encoder", "matches"))
        assert aware == other
    for variant in protocol.variants.values():
        assert not variant.recipes or variant.recipes[0] == CANDIDATE


@pytest.mark.parametrize("name", [name for name in load_settings() if name.endswith("_matches")])
def test_counts_of_the_blind_recipe_hold_no_skips_either(name: str) -> None:
    params = load_settings()[name].load([0]).params
    encoders: list[Any] = [params.recipe(recipe).encoder for recipe in (CANDIDATE, "skip_blind")]
    aware, blind = encoders
    assert aware.matches.skips and not blind.matches.skips
    assert aware.matches.feedback and blind.matches.feedback
    assert not blind.history.reads.skips


def test_settings_of_the_simulator_differ_in_boredom_and_size_alone() -> None:
    loaded = {name: setting.load([0]).params for name, setting in load_settings().items()}
    simulated = {name: params.sources["simulator"].model_dump() for name, params in loaded.items() if name[0] == "s"}
    strengths = {name: world.pop("strengths") for name, world in simulated.items()}
    sizes = ("impressions_per_day", "users", "new_users_per_day", "videos", "new_videos_per_day")
    found = {name: [world.pop(size) for size in sizes] for name, world in simulated.items()}
    for name, size in found.items():
        assert size == ([16_000, 2_600, 104, 800, 40] if "large" in name else [6_000, 975, 39, 480, 24])
    assert all(world == simulated["simulated"] for world in simulated.values())
    boredom = {name: (found.pop("boredom"), found.pop("bored_skip")) for name, found in strengths.items()}
    assert boredom == {
        "simulated": (0.9, 1.8),
        "simulated_none": (0, 0),
        "simulated_strong": (1.8, 3.6),
        "simulated_matches": (0.9, 1.8),
        "simulated_large_matches": (0.9, 1.8),
        "simulated_large_strong_matches": (1.8, 3.6),
    }
    assert all(found == strengths["simulated"] for found in strengths.values())


def _without(document: dict[str, Any], path: tuple[str, ...]) -> None:
    for key in path[:-1]:
        document = document[key]
    del document[path[-1]]


def _table(path: Path, noise: float) -> Path:
    """Write a prediction table of two seeds whose scores are the watch time and noise."""
    draw = np.random.default_rng(0)
    rows = 2000
    watch_ms = draw.integers(0, 20_000, rows)
    columns: dict[str, Any] = {
        "user_id": np.sort(draw.integers(0, 300, rows)),
        "video_id": draw.integers(0, 50, rows),
        "event_time_ms": 1_651_363_200_000 + np.arange(rows) * 1000,
        "day": ["2022-05-01"] * rows,
        "y_s": watch_ms / 1000,
        "duration_ms": np.full(rows, 20_000),
        "watch_ms": watch_ms,
        "policy": ["standard"] * rows,
        "exposure_probability": pl.Series([None] * rows, dtype=pl.Float64),
    }
    columns |= dict.fromkeys(("scene", "hour", "is_new_user", "is_new_video", "popularity"), np.zeros(rows, np.int64))
    columns |= {label: (draw.random(rows) < 0.1).astype(np.int8) for label in LABELS}
    columns["skip"] = (watch_ms < 3000).astype(np.int8)
    for seed in range(2):
        score = watch_ms / 1000 + np.random.default_rng(seed + 1).normal(0, noise, rows)
        columns[f"score_s{seed}"] = score
        columns[f"watch_mean_s{seed}"] = columns[f"watch_median_s{seed}"] = np.clip(score, 0, 20)
        columns[f"p_skip_s{seed}"] = 1 / (1 + np.exp(score - 3))
    pl.DataFrame(columns).with_columns(pl.col("day").str.to_date()).write_parquet(path)
    return path


@pytest.fixture
def found(tmp_path: Path) -> dict[str, dict[str, dict[str, Any]]]:
    tables = {CANDIDATE: _table(tmp_path / "a.parquet", 4.0), "none": _table(tmp_path / "b.parquet", 8.0)}
    return differences(tables, CONFIG)


def test_differences_are_those_of_the_metrics(found: dict[str, dict[str, dict[str, Any]]], tmp_path: Path) -> None:
    frames = [pl.read_parquet(tmp_path / name) for name in ("a.parquet", "b.parquet")]
    values = [
        [xauc(frame["y_s"].to_numpy(), frame[f"score_s{seed}"].to_numpy()).value for seed in range(2)]
        for frame in frames
    ]
    numbers = found["none"]["xauc"]
    assert numbers["value"] == pytest.approx(np.mean(values[1]))
    assert numbers["delta"] == pytest.approx(np.mean(values[0]) - np.mean(values[1]))
    users = (numbers["high_users_only"] - numbers["low_users_only"]) / 2 / 1.959964
    seeds = sum(np.var(value, ddof=1) / 2 for value in values)
    assert (numbers["high"] - numbers["low"]) / 2 / 1.959964 == pytest.approx(math.sqrt(users**2 + seeds), rel=1e-5)
    assert found[CANDIDATE]["xauc"]["delta"] == 0
    assert found["none"]["judged"] == {"rows": 2000, "users": 300 - _missing(frames[0])}


def _missing(frame: pl.DataFrame) -> int:
    return 300 - frame["user_id"].n_unique()


def test_a_setting_that_was_run_has_a_page(found: dict[str, dict[str, dict[str, Any]]], tmp_path: Path) -> None:
    setting, out = load_settings()["simulated"], tmp_path / "results"
    page = write_setting("simulated", setting.load([0, 1]), {"Ids": {"models": found, "planted": PLANTED}}, out)
    assert {file.name for file in out.iterdir()} == {"simulated.md", "simulated.json"}
    text = page.read_text()
    assert setting.title in text
    numbers = read_json(out / "simulated.json")["variants"]["Ids"]["models"]["none"]
    row, gains = (line for line in text.splitlines() if line.startswith("| no history |"))
    assert gains == "| no history | +0.0100 | +0.0200 |"
    assert "| skips only | 0.250 | 0.500 |" in text
    for metric in METRICS:
        shown = numbers[metric]
        assert f"{shown['value']:.4f} ± {shown['seed_sd']:.4f}" in row
        assert f"{shown['delta']:+.4f} [{shown['low']:+.4f}, {shown['high']:+.4f}]" in row


def test_boredom_that_the_score_lacks_is_worth_something(tmp_path: Path) -> None:
    """Counts and truth are read per row of its own day's history and topic; the gain is zero where the score knows them."""
    world = SimulatorConfig(start_day=dt.date(2026, 1, 1))
    draw, rows, day = np.random.default_rng(0), 3000, dt.date(2026, 1, 10)
    topic, user = draw.integers(0, 20, rows), np.sort(draw.integers(0, 300, rows))
    is_bored = bored(world, 9, user, topic)
    watch_s = np.where(is_bored, 2.0, 10.0) + draw.normal(0, 1, rows)
    key = {"user_id": user, "video_id": np.arange(rows), "event_time_ms": np.arange(rows)}
    features = tmp_path / "features"
    about = {
        "tag": [f"{t},7" for t in topic],
        "watch_ms": (watch_s * 1000).astype(np.int64),
        "duration_ms": [60_000] * rows,
    }
    (features / f"rows/day={day}").mkdir(parents=True)
    pl.DataFrame(key | about).write_parquet(features / f"rows/day={day}/part.parquet")
    (features / "history").mkdir()
    feedback = [[1, 5, 1], [1]]
    history = pl.DataFrame({"user_id": [0, 1], "tag": [["3", "3,4", "5"], ["3"]], **dict.fromkeys(CODES, feedback)})
    history.write_parquet(features / f"history/day={day}.parquet")
    about_folder = {
        "categorical": [],
        "dense": [],
        "history": {"fields": ["tag"], "length": 9},
        "config": {"groups": {}},
        "timezone": "Asia/Shanghai",
    }
    write_json(features / "schema.json", about_folder)
    pl.DataFrame(schema={"video_id": pl.Int64()}).write_parquet(features / "videos.parquet")
    tables = {}
    for name, score in (("blind", draw.normal(0, 1, rows)), ("knowing", watch_s)):
        tables[name] = tmp_path / f"{name}.parquet"
        pl.DataFrame(key | {"y_s": watch_s, "policy": ["standard"] * rows, "score_s0": score}).write_parquet(
            tables[name]
        )
    found = planted(features, [day], tables, world)
    assert found["gains"]["blind"]["truth"] > 0.1
    assert abs(found["gains"]["knowing"]["truth"]) < 0.01
    share = {name: numbers["share"] * rows for name, numbers in found["evidence"].items()}
    both, skips = ((user == 0) & (topic == 3)).sum(), ((user == 0) & (topic == 5) | (user == 1) & (topic == 3)).sum()
    assert share == pytest.approx(
        {"no event of the topic": rows - both - skips, "plays only": 0, "both": both, "skips only": skips}
    )


def test_seed_variance_adds_to_the_paired_one() -> None:
    metric = paired("xauc", 0.001, 0.0006, candidate_seed_sd=0.0012, reference_seed_sd=0.0009)
    assert with_seed_variance(metric) == pytest.approx(math.sqrt(0.0006**2 + 0.0012**2 / 3 + 0.0009**2 / 3))


def test_unknown_seed_variance_is_undefined() -> None:
    assert math.isnan(with_seed_variance(paired("xauc", 0.1, 0.0, candidate_seed_sd=math.nan)))
