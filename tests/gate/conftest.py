"""Comparisons made by hand, and a small synthetic world whose true distributions are known."""

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from tasks.core.labels import LABELS
from tasks.evaluate import catalogue
from tasks.evaluate.comparison import Comparison, PairedMetric
from tasks.evaluate.config import EvaluationConfig
from tasks.gate.evidence import Increment, Reign, Step
from tasks.gate.inputs import Contender, GateInputs, JudgeDay

AS_OF = dt.date(2022, 5, 4)
DAYS = tuple(f"2022-04-{day}" for day in range(24, 31))


def paired(name: str, delta: float = 0.0, standard_error: float = 0.0005, **changes: Any) -> PairedMetric:
    """Return a paired metric of two sides with three seeds each."""
    metric = PairedMetric(
        name=name,
        candidate=0.65 + delta,
        reference=0.65,
        value=delta,
        standard_error=standard_error,
        low=delta - 1.96 * standard_error,
        high=delta + 1.96 * standard_error,
        candidate_seed_sd=0.0003,
        reference_seed_sd=0.0003,
        candidate_num_seeds=3,
        reference_num_seeds=3,
        rows=10_000,
        users=4_000,
        positives=500 if name.startswith(("auc_", "gauc_")) else None,
    )
    return replace(metric, **changes)


LEVELS = dict.fromkeys(catalogue.LEVELS, 0.0) | {"rmse": 36.0, "mae": 18.0, "tre_signed": 0.01, "dce_max": 0.08}
METRICS = (
    "xauc",
    "xgauc",
    "gauc_long_view",
    "auc_skip",
    "rmse_ratio",
    "mae",
    "xauc_new_user",
    "xauc_new_video",
    "auc_like",
)


def comparison(metrics: Mapping[str, PairedMetric] | None = None, **changes: Any) -> Comparison:
    """Return a comparison in which nothing differs, but for what is named."""
    found = {name: paired(name) for name in METRICS} | dict(metrics or {})
    same = Comparison(
        rows=10_000,
        users=4_000,
        days=("2022-05-04",),
        metrics=found,
        candidate_levels=LEVELS,
        reference_levels=LEVELS,
        scene_errors={"1": 0.05},
        tied_share=0.0,
        score_psi=0.01,
    )
    return replace(same, **changes)


@dataclass
class Scripted:
    """Stands for `compare`: answers by the name of the candidate's table, and by the number of days pooled."""

    judge: Mapping[str, Comparison]
    pooled: Mapping[str, Comparison]

    def __call__(
        self,
        candidate: Sequence[Path],
        reference: Sequence[Path],
        config: EvaluationConfig,
        duration_edges_s: Sequence[float] | None = None,
    ) -> Comparison:
        assert len(candidate) == len(reference)
        answers = self.judge if len(candidate) == 1 else self.pooled
        return answers.get(candidate[-1].stem, comparison())


NOTHING = {"xauc": (0.0, 0.0005), "xgauc": (0.0, 0.0005)}
"""What the earlier nights of two equal models say."""


@pytest.fixture
def make() -> Any:
    """Return the builders of this file: paired, comparison, LEVELS, Scripted."""

    class Make:
        pass

    made = Make()
    for name, value in {"paired": paired, "comparison": comparison, "levels": LEVELS, "scripted": Scripted}.items():
        setattr(made, name, value)
    return made


@pytest.fixture
def table(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that writes a table with nothing but prediction columns."""

    def write(
        name: str,
        seeds: Sequence[int] = (0, 1, 2),
        tasks: Sequence[str] = ("skip", "like"),
        bad: Sequence[float | None] = (),
    ) -> Path:
        outputs = ["score", "watch_mean", "watch_median", *(f"p_{task}" for task in tasks)]
        columns: dict[str, list[float | None]] = {
            f"{output}_s{seed}": [0.1, 0.2] for seed in seeds for output in outputs
        }
        if bad:
            columns["watch_mean_s1"] = [0.1, *bad]
        path = tmp_path / f"{name}.parquet"
        pl.DataFrame(columns).write_parquet(path)
        return path

    return write


@pytest.fixture
def night(table: Callable[..., Path]) -> Callable[..., GateInputs]:
    """Return a function that builds inputs: challengers by name -> recipe hash, a champion of recipe "old"."""

    def build(
        challengers: Mapping[str, str] | None = None,
        champion: str | None = "old",
        earlier: int = 0,
        nightly: Mapping[str, tuple[float, float]] | None = None,
        **changes: Any,
    ) -> GateInputs:
        """`nightly` gives difference and standard error of the earlier nights of every challenger of another recipe."""
        named = challengers or {"new": "old"}
        standing = Contender("old", champion, table("champion"), entry="e0") if champion else None
        contenders = tuple(Contender(name, recipe, table(name), validation_xauc=0.6) for name, recipe in named.items())
        days = []
        for ago in range(earlier, 0, -1):
            past = tuple(replace(c, predictions=table(f"{c.name}-{ago}")) for c in contenders)
            before = replace(standing, predictions=table(f"champion-{ago}")) if standing else None
            days.append(JudgeDay(AS_OF - dt.timedelta(days=ago), past, before, evidence=f"evidence-{ago}"))
        names = () if champion else ("constant", "duration_table", "item_user_effects")
        baselines = {name: table(name) for name in names}
        steps = {
            metric: Step(delta=delta, standard_error=error) for metric, (delta, error) in (nightly or NOTHING).items()
        }
        increments = tuple(
            Increment(night=day.as_of, recipe_hash=c.recipe_hash, against="champion", reference="e0", metrics=steps)
            for day in days
            for c in contenders
        )
        reign = (
            Reign(since=days[0].as_of if days else AS_OF, anchor="e0", increments=increments) if champion else Reign()
        )
        inputs = GateInputs(JudgeDay(AS_OF, contenders, standing), baselines, tuple(days), reign)
        return replace(inputs, **changes)

    return build


@dataclass(frozen=True)
class World:
    """Impressions of some days, with the true mixture behind each: complete with probability c, else Exp(4 s)."""

    days: int
    users: int = 2_500
    rows_per_user: int = 3

    def frame(self, day: int) -> pl.DataFrame:
        """Return the labelled rows of one day, with the logit of c in column `truth`."""
        rng = np.random.default_rng([7, day])
        size = self.users * self.rows_per_user
        duration = np.round(np.exp(rng.normal(3.0, 0.6, size)).clip(5, 90), 3)
        logit = rng.normal(0, 1.2, size) - 1.1 * np.log(duration / 20)
        complete = rng.random(size) < 1 / (1 + np.exp(-logit))
        watched = np.where(complete, duration, np.minimum(duration, rng.exponential(4, size)))
        return self._labelled(rng, duration, watched, logit, day)

    def _labelled(self, rng: Any, duration: Any, watched: Any, logit: Any, day: int) -> pl.DataFrame:
        size = len(duration)
        binary = {
            "skip": watched < np.minimum(3, duration),
            "long_view": np.where(duration <= 18, watched >= duration, watched >= 18),
            "like": rng.random(size) < 0.15 / (1 + np.exp(-logit)),
        }
        columns: dict[str, Any] = {
            "user_id": np.repeat(np.arange(self.users), self.rows_per_user),
            "video_id": rng.integers(0, 500, size),
            "event_time_ms": np.arange(size) + 1_000_000 * day,
            "day": [f"2022-05-{day + 1:02d}"] * size,
            "y_s": watched,
            "duration_ms": (duration * 1000).round().astype(np.int64),
            "watch_ms": (watched * 1000).round().astype(np.int64),
            "scene": rng.integers(0, 3, size),
            "hour": rng.integers(0, 24, size),
            "is_new_user": (np.arange(size) % 10 == 0).astype(np.int8),
            "is_new_video": (np.arange(size) % 7 == 0).astype(np.int8),
            "popularity": rng.integers(0, 100, size),
            "policy": ["standard"] * size,
            "exposure_probability": np.full(size, np.nan),
            **{name: binary.get(name, np.zeros(size)).astype(np.int8) for name in LABELS},
            "truth": logit,
        }
        return pl.DataFrame(columns)


def predict(frame: pl.DataFrame, logit: Any) -> dict[str, Any]:
    """Return the outputs of a model that believes in these logits: the score is the expected rank of the watch time."""
    duration, ranks = frame["duration_ms"].to_numpy() / 1000, np.sort(frame["y_s"].to_numpy())
    c = 1 / (1 + np.exp(-logit))
    short = -4 * np.log(1 - (np.arange(20) + 0.5) / 20)

    def rank(seconds: Any) -> Any:
        return np.searchsorted(ranks, seconds) / len(ranks)

    partial = rank(np.minimum(short[:, None], duration[None, :])).mean(axis=0)
    incomplete = np.where(c < 0.5, -4 * np.log(np.maximum(1 - 0.5 / np.maximum(1 - c, 0.5), 1e-9)), duration)
    return {
        "score": c * rank(duration) + (1 - c) * partial,
        "watch_mean": c * duration + (1 - c) * 4 * (1 - np.exp(-duration / 4)),
        "watch_median": np.minimum(incomplete, duration),
        "p_skip": (1 - c) * (1 - np.exp(-3 / 4)),
        "p_long_view": np.where(duration <= 18, c, c + (1 - c) * np.exp(-18 / 4)),
        "p_like": 0.15 * c,
    }


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Return a function that writes the judge table of a model with fit noise of a given size, seed by seed."""
    root = tmp_path_factory.mktemp("world")

    def write(
        name: str,
        noise: float = 0.3,
        day: int = 3,
        seeds: Sequence[int] = (0,),
        change: Callable[[dict[str, Any], Any], dict[str, Any]] | None = None,
    ) -> Path:
        frame = World(days=7).frame(day)
        columns = {}
        for seed in seeds:
            rng = np.random.default_rng([*name.encode(), day, seed])
            outputs = predict(frame, frame["truth"].to_numpy() + noise * rng.normal(0, 1, frame.height))
            for output, values in (change(outputs, rng) if change else outputs).items():
                columns[f"{output}_s{seed}"] = values
        path = root / f"{name}-{day}.parquet"
        frame.drop("truth").with_columns(**{key: pl.Series(values) for key, values in columns.items()}).write_parquet(
            path
        )
        return path

    return write
