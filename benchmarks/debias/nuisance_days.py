"""What learned propensities say of a simulated judge day, beside its random rows and the truth.

The day is measured as a night measures it (`tasks/evaluate/nuisance/debiased.py`), without logged probabilities and with a
prediction that knows nothing but the length: the mean of seconds depends on no model.
"""

import datetime as dt
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from benchmarks.parts.cells import mean_sd
from benchmarks.parts.part import Table
from tasks.core.labels import LABELS
from tasks.core.layout import partition
from tasks.core.predictions import bound_metadata
from tasks.evaluate.config import EvaluationConfig
from tasks.evaluate.document import DebiasedMean
from tasks.evaluate.nuisance.config import NuisanceConfig
from tasks.evaluate.nuisance.debiased import debiased
from tasks.simulate import simulate
from tasks.simulate.config import SimulatorConfig
from tasks.simulate.experiment import EXPECTED, uniform_impressions

BEFORE = 3
"""Days whose impressions are the popularity."""
TRUTH_ROWS = 40_000
CLEAN = SimulatorConfig(dirt_share=0.0, duplicate_share=0.0, late_share=0.0).scaled(9000)
_KNOWN = CLEAN.strengths.model_copy(update={"exposed_taste": 0.0})
WORLDS = {
    "exposure follows popularity and age": CLEAN.model_copy(update={"rho": 0.0, "strengths": _KNOWN}),
    "taste moves it too": CLEAN.model_copy(update={"rho": 0.0}),
    "and noise of exposure and preference correlate": CLEAN,
}
"""From what learners can know to what nobody can."""
LEARNERS = NuisanceConfig(propensities=("logistic", "boosting"), outcomes=("ridge", "boosting"), draws=2)


@dataclass(frozen=True)
class Day:
    """One judge day: what is said of its seconds, and what they are under uniform exposure."""

    said: DebiasedMean
    truth: float


def days(seeds: Sequence[int], scratch: Path) -> Mapping[str, Sequence[Day]]:
    """Return a judge day per world and seed."""
    return {name: [_day(world, seed, scratch) for seed in seeds] for name, world in WORLDS.items()}


def table(found: Mapping[str, Sequence[Day]]) -> Table:
    """Return the errors of every way to say what uniform exposure would give."""
    rows = []
    for name, of_world in found.items():
        errors = {
            "logged": [day.said.logged.value - day.truth for day in of_world if day.said.logged.value is not None],
            "debiased": [day.said.value - day.truth for day in of_world if day.said.value is not None],
            "at random": [
                day.said.at_random.value - day.truth
                for day in of_world
                if day.said.at_random is not None and day.said.at_random.value is not None
            ],
        }
        held = sum(day.said.low <= day.truth <= day.said.high for day in of_world if day.said.low and day.said.high)
        agreed = sum(day.said.swing <= day.said.bound for day in of_world)
        counts = sum(not day.said.reason for day in of_world)
        swing = [day.said.swing for day in of_world]
        rows.append(
            [
                name,
                mean_sd([day.truth for day in of_world], 2),
                *(mean_sd(error, 2) for error in errors.values()),
                f"{held} of {len(of_world)}",
                f"{agreed} of {len(of_world)}",
                f"{counts} of {len(of_world)}",
                mean_sd(swing, 3),
            ]
        )
    return Table(
        title="Seconds under uniform exposure of simulated judge days without logged probabilities: error, mean ± sd over worlds",
        columns=["exposure", "truth, s", "logged rows", "learned propensities", "random rows", "interval holds the truth",
                 "learners agree", "counts", "swing"],
        rows=rows,
        notes=[
            f"About {CLEAN.impressions_per_day:,} impressions a day, 5 % of them random; truth: {TRUTH_ROWS:,} uniform impressions of the same day. "
            "Linear and boosted learners of each kind. Learners agree: the swing is within its bound; counts: random rows do not speak against "
            "it either.",
        ],
        numbers={name: [day.said.model_dump(mode="json") | {"truth": day.truth} for day in of] for name, of in found.items()},
    )  # fmt: skip


def _day(world: SimulatorConfig, seed: int, scratch: Path) -> Day:
    config = world.model_copy(update={"seed": 500 + seed})
    judge = config.start_day + dt.timedelta(days=BEFORE)
    out = scratch / f"{seed}"
    simulate(config, [config.start_day + dt.timedelta(days=number) for number in range(BEFORE + 1)], out)
    path = out / "model" / "judge.parquet"
    path.parent.mkdir(parents=True)
    _rows(out, judge).write_parquet(path, metadata=bound_metadata(True))
    said = debiased(path, EvaluationConfig(seed=seed), LEARNERS).means["seconds"]
    truth = uniform_impressions(config, judge, TRUTH_ROWS)
    shutil.rmtree(out)
    return Day(said, float(truth[EXPECTED].to_numpy().mean()))


def _rows(out: Path, judge: dt.date) -> pl.DataFrame:
    """Return the prediction table of the judge day, as a model that knows the length alone would leave it."""
    log = pl.read_parquet(out / "impressions/*/part.parquet", hive_partitioning=False).with_columns(
        day=pl.from_epoch("event_time_ms", time_unit="ms").dt.convert_time_zone("Asia/Shanghai").dt.date()
    )
    before = log.filter(pl.col("day") < judge)
    popular = before.group_by("video_id").agg(popularity=pl.len().cast(pl.Int64))
    known = before["user_id"].unique()
    rows = pl.read_parquet(partition(out / "impressions", judge)).filter(pl.col("duration_ms") > 0)
    rows = rows.join(popular, on="video_id", how="left").sort("event_time_ms", "user_id", "video_id")
    half = pl.col("duration_ms") / 2000
    return rows.with_columns(
        day=pl.lit(judge),
        y_s=pl.min_horizontal("watch_ms", "duration_ms") / 1000,
        hour=pl.from_epoch("event_time_ms", time_unit="ms").dt.convert_time_zone("Asia/Shanghai").dt.hour(),
        is_new_user=(~pl.col("user_id").is_in(known.implode())).cast(pl.Int8),
        is_new_video=pl.col("popularity").is_null().cast(pl.Int8),
        **{label: pl.lit(0, dtype=pl.Int8) for label in LABELS},
        score_s0=half,
        watch_mean_s0=half,
        watch_median_s0=half,
    )
