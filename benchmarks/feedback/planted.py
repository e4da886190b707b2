"""What the planted boredom is worth: how much of it the past can tell, and how much of that a model has missed.

A diagnosis with the simulator's truth; nothing is chosen by it.
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.stats import rankdata

from models.encoders.history.matches import SKIP
from tasks.core.contract import KEY
from tasks.evaluate.metrics.pairwise import xauc
from tasks.simulate.config import SimulatorConfig
from tasks.simulate.model import bored
from tasks.simulate.world import day_index
from tasks.table.source import FeatureFolder

Floats = NDArray[np.float64]
EVIDENCE = {
    "no event of the topic": (pl.col("skips") == 0) & (pl.col("plays") == 0),
    "plays only": (pl.col("skips") == 0) & (pl.col("plays") > 0),
    "both": (pl.col("skips") > 0) & (pl.col("plays") > 0),
    "skips only": (pl.col("skips") > 0) & (pl.col("plays") == 0),
}
KNOWN = {"counts": ("skips", "plays"), "truth": ("bored",)}
"""What is added to a score: skips and plays of the topic in the history, or boredom itself."""


def planted(
    features: Path, days: Sequence[dt.date], tables: Mapping[str, Path], world: SimulatorConfig
) -> dict[str, Any]:
    """Return the boredom after each kind of evidence, and what each model's XAUC gains from knowing more.

    A gain is that of a linear fit of the label's percentile on the score's percentile and the addition, over one on the score
    alone; fitted on the users of one half and judged on the other, both ways, mean over the seeds.

    Args:
        features: folder of the features stage.
        days: judge days, each read with its own history.
        tables: recipe -> prediction table of these days.
        world: that was simulated.
    """
    rows = pl.concat(_day(FeatureFolder.open(features), day, world) for day in days)
    evidence = {
        name: {"share": rows.select(rule.mean()).item(), "bored": rows.filter(rule)["bored"].mean()}
        for name, rule in EVIDENCE.items()
    }
    return {"evidence": evidence, "gains": {name: _gains(rows, path) for name, path in tables.items()}}


def _day(source: FeatureFolder, day: dt.date, world: SimulatorConfig) -> pl.DataFrame:
    """Return the key, watch time, boredom and events of the same topic of a day's rows."""
    topic = pl.col("tag").str.split(",").list.first().cast(pl.Int64).alias("topic")
    columns = (*KEY, "tag", "watch_ms", "duration_ms")
    rows = pl.concat(source.chunks(day, columns)).with_columns(topic)
    is_bored = bored(world, day_index(world, day), rows["user_id"].to_numpy(), rows["topic"].to_numpy())
    history = source.past().histories(day)
    assert history is not None
    events = history.select("user_id", "tag", "feedback").explode("tag", "feedback").with_columns(topic)
    skipped = pl.col("feedback") == SKIP
    counts = events.group_by("user_id", "topic").agg(skips=skipped.sum(), plays=(~skipped).sum())
    joined = rows.with_columns(bored=pl.Series(is_bored)).join(
        counts, on=["user_id", "topic"], how="left", maintain_order="left"
    )
    return joined.with_columns(pl.col("skips", "plays").fill_null(0).cast(pl.Float64), pl.col("bored").cast(pl.Float64))


def _gains(rows: pl.DataFrame, table: Path) -> dict[str, float]:
    predictions = pl.read_parquet(table).filter(pl.col("policy") == "standard")
    scores = [name for name in predictions.columns if name.startswith("score_s")]
    judged = predictions.select(*KEY, "y_s", *scores).join(rows, on=list(KEY), how="inner")
    watch_B, half_B = judged["y_s"].to_numpy(), judged["user_id"].to_numpy() % 2
    found: dict[str, list[float]] = {name: [] for name in KNOWN}
    for score in scores:
        score_B = _percentile(judged[score].to_numpy())
        alone = xauc(watch_B, _crossed(watch_B, half_B, [score_B])).value
        for name, columns in KNOWN.items():
            added = [judged[column].to_numpy() for column in columns]
            found[name].append(xauc(watch_B, _crossed(watch_B, half_B, [score_B, *added])).value - alone)
    return {name: float(np.mean(values)) for name, values in found.items()}


def _crossed(watch_B: Floats, half_B: NDArray[np.int64], columns: Sequence[Floats]) -> Floats:
    """Return predictions of the watch time's percentile for each half from a fit on the other."""
    label_B, input_BX = _percentile(watch_B), np.column_stack([np.ones(len(watch_B)), *columns])
    predicted_B = np.empty(len(watch_B))
    for half in (0, 1):
        weight_X = np.linalg.lstsq(input_BX[half_B != half], label_B[half_B != half], rcond=None)[0]
        predicted_B[half_B == half] = input_BX[half_B == half] @ weight_X
    return predicted_B


def _percentile(value_B: Floats) -> Floats:
    ranks: Floats = rankdata(value_B)
    return ranks / len(value_B)
