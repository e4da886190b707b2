"""A small night as the stages leave it: prediction tables of a made-up world, measured and judged by the real code."""

import datetime as dt
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from models.recipe import Recipe
from models.schema import InputSchema
from tasks.core.document import read_document
from tasks.core.files import hash_value, write_json
from tasks.core.labels import LABELS
from tasks.core.layout import Workspace
from tasks.core.run_key import RunKey
from tasks.evaluate.config import EvaluationConfig
from tasks.evaluate.document import ExposedMetrics, MetricEstimate, ModelMetrics
from tasks.evaluate.stage import evaluate
from tasks.gate.config import GatePolicy
from tasks.gate.decision import Decision, write_decision
from tasks.gate.gate import decide
from tasks.gate.inputs import Contender, GateInputs, JudgeDay
from tasks.oracle.document import OracleResult
from tasks.registry.evidence import add_evidence
from tasks.registry.forecast import Alarm, Bounds, Coverage, NightForecast, Served
from tasks.report.inputs import Artifacts
from tasks.score.summary import ScoreSummary
from tasks.train.config import TrainingConfig
from tasks.train.curves import write_curves
from tasks.train.manifest import FitDays, FitRows, InputHashes, RecipeManifest
from tasks.train.validation_metrics import FittedMetrics
from tests.report.summary import data_summary

AS_OF = dt.date(2026, 1, 15)
EVALUATION = EvaluationConfig(replicates=100)
POLICY = GatePolicy(minimum_rows=500, minimum_users=200)
ROWS, USERS = 2500, 700
NOISE = {"d2q": 0.2, "wlr_mmoe": 0.8, "champion": 0.35, "item_user_effects": 1.5, "duration_table": 3.0}


@dataclass(frozen=True)
class MadeNight:
    """A workspace with everything the report reads, and its key."""

    workspace: Workspace
    key: RunKey
    decision: Decision


def judge_rows(random_share: float, day: dt.date = AS_OF) -> pl.DataFrame:
    """Return a judge day of the made-up world, with what is true of every row in column `truth`."""
    rng = np.random.default_rng(3 + (AS_OF - day).days)
    duration = np.round(np.exp(rng.normal(3.0, 0.6, ROWS)).clip(5, 90), 3)
    truth = rng.normal(0, 1, ROWS)
    watched = np.minimum(duration, rng.exponential(8, ROWS) * np.exp(0.8 * truth) + 1)
    at_random = rng.random(ROWS) < random_share
    binary = {"skip": watched < 3, "long_view": watched >= np.minimum(duration, 18), "like": rng.random(ROWS) < 0.05}
    columns: dict[str, Any] = {
        "user_id": rng.integers(0, USERS, ROWS),
        "video_id": rng.integers(0, 300, ROWS),
        "event_time_ms": np.arange(ROWS) * 1000,
        "day": [day.isoformat()] * ROWS,
        "y_s": watched,
        "duration_ms": (duration * 1000).round().astype(np.int64),
        "watch_ms": (watched * 1000).round().astype(np.int64),
        "scene": rng.integers(0, 12, ROWS),
        "hour": rng.integers(0, 24, ROWS),
        "is_new_user": (np.arange(ROWS) % 10 == 0).astype(np.int8),
        "is_new_video": (np.arange(ROWS) % 7 == 0).astype(np.int8),
        "popularity": rng.integers(0, 100, ROWS),
        "policy": np.where(at_random, "random", "standard"),
        "exposure_probability": np.full(ROWS, np.nan),
        **{name: np.asarray(binary.get(name, np.zeros(ROWS))).astype(np.int8) for name in LABELS},
        "truth": truth,
    }
    return pl.DataFrame(columns)


def predictions(frame: pl.DataFrame, noise: float, seeds: Sequence[int], tasks: bool) -> dict[str, pl.Series]:
    """Return the outputs of a model that sees the truth through noise."""
    duration = frame["duration_ms"].to_numpy() / 1000
    columns: dict[str, Any] = {}
    for seed in seeds:
        belief = frame["truth"].to_numpy() + noise * np.random.default_rng([int(noise * 100), seed]).normal(0, 1, ROWS)
        mean = np.minimum(0.9 * duration, 8 * np.exp(0.5 * belief) + 1)
        columns |= {f"score_s{seed}": mean, f"watch_mean_s{seed}": mean, f"watch_median_s{seed}": 0.8 * mean}
        if tasks:
            chance = 1 / (1 + np.exp(-belief))
            columns |= {
                f"p_skip_s{seed}": 0.4 * (1 - chance),
                f"p_long_view_s{seed}": chance,
                f"p_like_s{seed}": 0.1 * chance,
            }
    return {name: pl.Series(values) for name, values in columns.items()}


def write_model(folder: Path, frame: pl.DataFrame, name: str, seeds: Sequence[int], tasks: bool = True) -> Path:
    """Write a model's judge table and measure it."""
    folder.mkdir(parents=True)
    table = folder / "judge.parquet"
    frame.drop("truth").with_columns(**predictions(frame, NOISE[name], seeds, tasks)).write_parquet(table)
    evaluate(table, EVALUATION, folder, name=name)
    return table


def recipe(head: str, *tasks: str, balance: str = "fixed") -> Recipe:
    """Return a recipe that learns these tasks."""
    return Recipe.model_validate(
        {"head": {"kind": head}, "tasks": {task: {} for task in tasks}, "balance": {"kind": balance}}
    )


def write_bundle(folder: Path, name: str, refused: bool = False) -> None:
    """Write what the report reads of a fitted recipe with two seeds."""
    RecipeManifest(
        name=name,
        days=FitDays(fit=("2026-01-08", "2026-01-13"), validation=("2026-01-14",)),
        rows=FitRows(fit=97318, validation=15984),
        seeds=(0, 1),
        serving_seed=1,
        best_epoch={0: 2, 1: 3},
        validation_loss={0: 0.0725, 1: 0.0722},
        positives={"skip": 9000, "like": 40},
        frozen_tasks=("like",) if refused else (),
        calibration_refused={0: "totals are off by 14 % on held-out users"} if refused else {},
        hashes=InputHashes.model_validate({part: hash_value([name, part]) for part in ("data", "code", "config")}),
        recipe=recipe(name.partition("_")[0], "watch_time", "skip", "like"),
        input_schema=InputSchema(fields=(("scene", 13),)),
        training=TrainingConfig(seeds=(0, 1)),
    ).write(folder / "manifest.json")
    metrics = {"xauc": 0.66, "xgauc": 0.61, "rmse": 22.1, "mae": 14.2, "tre_signed": 0.001, "tre_before": 0.2}
    fits = {seed: FittedMetrics(loss=0.072, best_epoch=2 + seed, tre_after=-0.01, **metrics) for seed in (0, 1)}
    write_json(folder / "validation.json", {str(seed): fit.as_json() for seed, fit in fits.items()})
    epochs = []
    for seed in (0, 1):
        for epoch in (1, 2, 3, 4):
            loss = 0.07 + 0.01 / epoch + 0.001 * seed
            losses = {"train_watch_time": loss - 0.002, "train_skip": 0.64, "validation_watch_time": loss}
            epochs.append(
                {
                    "seed": seed,
                    "epoch": epoch,
                    "best": epoch <= 2 + seed,
                    **losses,
                    "validation_skip": 0.65,
                    "validation_xauc": 0.66 - 0.02 / epoch,
                }
            )
    write_curves(folder / "curves.csv", epochs)


def write_scores(folder: Path, model: str | None) -> None:
    """Write tomorrow's scores: 40 users with a list of five."""
    serves = AS_OF + dt.timedelta(days=1)
    if model is None:
        write_json(folder / "summary.json", {"day": serves.isoformat(), "model": None})
        return
    ScoreSummary(day=serves, model=model, users=40, pool=100, pairs=4000, top_k=5).write(folder / "summary.json")
    user, rank = np.repeat(np.arange(40), 5), np.tile(np.arange(1, 6), 40)
    columns = {
        "user_id": user,
        "rank": rank.astype(np.int16),
        "video_id": (user // 20 + rank) % 9,
        "score": (1 / rank).astype(np.float32),
        "watch_mean": (20 / rank).astype(np.float32),
        "watch_median": (15 / rank).astype(np.float32),
        "p_like": (0.1 / rank).astype(np.float32),
    }
    pl.DataFrame(columns).write_parquet(folder / "top_k.parquet")


def write_forecast(folder: Path, served: bool, serves: bool) -> None:
    """Write what is forecast: of a night with a champion also what was said of its day, skips far off."""
    model = Served(recipe="d2q", recipe_hash="recipe-d2q", made=AS_OF - dt.timedelta(days=1))
    values = {"xauc": (0.66, 0.01), "seconds": (12_345.0, 900.0), "skip_rate": (0.21, 0.01)}
    said = {name: Bounds(raw=value, value=value, half_width=half) for name, (value, half) in values.items()}
    came = {"xauc": 0.655, "seconds": 12_900.0, "skip_rate": 0.26}
    NightForecast(
        night=AS_OF,
        served=model if served else None,
        realised=came if served else {},
        forecast=said if served else {},
        nowcast={"xauc": said["xauc"]} if served else {},
        day=AS_OF + dt.timedelta(days=1),
        serves=model if serves else None,
        reached=0.66 if serves else None,
        rows=1_500.4 if serves else None,
        tomorrow=said if serves else {},
        coverage={"forecast": {"skip_rate": Coverage(held=17, judged=20)}} if served else {},
        notes=() if served else ("no model served 2026-01-15: there is no nowcast of it",),
        alarms=(Alarm(series="forecast", metric="skip_rate", z=8.22, why="far"),) if served else (),
    ).write(folder / "forecast.json")


def write_evidence(folder: Path) -> str:
    """Write the judge day of the night before, on which the champion was made, and return its name."""
    before, frame = AS_OF - dt.timedelta(days=1), judge_rows(0.2, AS_OF - dt.timedelta(days=1))
    table = folder / "champion.parquet"
    folder.mkdir(parents=True, exist_ok=True)
    frame.drop("truth").with_columns(**predictions(frame, NOISE["champion"], (0, 1), True)).write_parquet(table)
    contender = Contender("d2q", "recipe-d2q", table)
    decision = decide(GateInputs(JudgeDay(before, (contender,), None), {}), POLICY, EVALUATION)
    return add_evidence(folder, decision, {"d2q": table}, None)


def write_champion(folder: Path) -> None:
    """Write the checked-out champion, an earlier d2q, with the last night's evidence."""
    write_json(folder / "champion.json", {"champion": "entry-of-d2q", "evidence": [write_evidence(folder)]})
    entry = {
        "source": "simulator",
        "recipe": "d2q",
        "recipe_hash": "recipe-d2q",
        "as_of": "2026-01-14",
        "kind": "first",
        "forced_reason": None,
        "decision": "0123456789abcdef",
        "provenance": {"data": "d", "code": "c", "config": "f"},
        "metrics": {},
        "files": {},
    }
    write_json(folder / "entry/entry.json", entry)
    write_bundle(folder / "entry/bundle", "d2q")


def write_truth(workspace: Workspace, names: Sequence[str]) -> None:
    """Write what the oracle stage leaves: a truth near the logged rows' metrics, or that it is not known (no names)."""
    OracleResult(known=bool(names), rows=40_000, models=tuple(names)).write(workspace.oracle / "oracle.json")
    for name in names:
        logged = read_document(workspace.predictions(name) / "metrics.json", ModelMetrics, "evaluate").metrics
        kept = {
            metric: MetricEstimate.model_validate(dict(logged[metric]), extra="ignore")
            for metric in ("xauc", "mae", "rmse", "auc_long_view")
        }
        part = ExposedMetrics(rows=40_000, metrics=kept, diagnostics=None, reason="").as_json()
        write_json(workspace.oracle / f"{name}.json", {"truth": part, "truth_expected": part})


def build(root: Path, champion: bool, random_share: float, baselines: bool, policy: GatePolicy) -> MadeNight:
    """Write a night's artifacts."""
    workspace, frame = Workspace(root), judge_rows(random_share)
    contenders = []
    for name in ("d2q", "wlr_mmoe"):
        table = write_model(workspace.predictions(name), frame, name, (0, 1))
        write_bundle(workspace.bundle(name), name, refused=name == "wlr_mmoe")
        contenders.append(Contender(name, f"recipe-{name}", table, validation_xauc=0.66 if name == "d2q" else 0.65))
    standing = None
    if champion:
        write_champion(workspace.champion)
        table = write_model(workspace.predictions("champion"), frame, "champion", (0, 1))
        stale = frame.drop("truth").with_columns(**predictions(frame, 0.5, (0, 1), True))
        stale.write_parquet(table.with_name("older_state.parquet"))
        standing = Contender("d2q", "recipe-d2q", table, entry="entry-of-d2q")
    names = ("duration_table", "item_user_effects") if baselines else ()
    folder = workspace.predictions("baselines")
    tables = {name: write_model(folder / name, frame, name, (0,), tasks=False) for name in names}
    write_truth(workspace, ("d2q", "wlr_mmoe", "champion") if champion else ())
    decision = decide(GateInputs(JudgeDay(AS_OF, tuple(contenders), standing), tables), policy, EVALUATION)
    write_decision(workspace.gate, decision)
    data_summary().write(workspace.validated / "summary.json")
    write_scores(workspace.scores, decision.winner or ("d2q" if champion else None))
    write_forecast(workspace.forecast, champion, decision.verdict != "refuse")
    key = RunKey(
        as_of=AS_OF, source="simulator", data="tasks/simulate", champion="entry-of-d2q" if champion else "none"
    )
    return MadeNight(workspace, key, decision)


@pytest.fixture(scope="session")
def made_nights(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, MadeNight]:
    """Three nights: the first one, one with a champion and random exposure, one in which nothing passes."""
    trivial = {"trivial_baselines": ("duration_table", "item_user_effects")}
    lenient = POLICY.model_copy(update={"tre": 1.0, "dce_max": 2.0, **trivial})
    settings: dict[str, tuple[bool, float, bool, GatePolicy]] = {
        "first": (False, 0.0, True, lenient),
        "later": (True, 0.2, True, lenient),
        "refused": (False, 0.0, False, POLICY),
    }
    return {name: build(tmp_path_factory.mktemp(name), *chosen) for name, chosen in settings.items()}


@pytest.fixture
def copy_of(made_nights: Mapping[str, MadeNight], tmp_path: Path) -> Callable[[str], MadeNight]:
    """Return a function that copies a night for a test that changes it."""

    def copy(name: str) -> MadeNight:
        night = made_nights[name]
        shutil.copytree(night.workspace.root, tmp_path / name)
        return MadeNight(Workspace(tmp_path / name), night.key, night.decision)

    return copy


@pytest.fixture(scope="session")
def read(made_nights: Mapping[str, MadeNight]) -> dict[str, Artifacts]:
    """The artifacts of every made-up night, by its name."""
    return {name: Artifacts.read(night.workspace) for name, night in made_nights.items()}
