"""Floors, the official baseline and the ceiling of the task.

Shapes: B rows, F fields.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl

from benchmarks.fields.fit import FieldTraining, fit_machine
from benchmarks.fields.rows import FieldRows, Fields
from benchmarks.kuairand_techjam.judge import primary
from benchmarks.kuairand_techjam.rows import TaskRows
from tasks.evaluate.metrics.inputs import FloatArray

PRIOR_ROWS = 20
"""Rows of the mean of all that a video's own share of long views is drawn towards."""
_PUBLIC_BATCH, _PUBLIC_TRAIN = 8192, 1_141_112


@dataclass(frozen=True, eq=False)
class Scored:
    """What one fit says of the rows that select and of those that are judged, each [B]."""

    valid_B: FloatArray
    test_B: FloatArray

    def of(self, part: str) -> FloatArray:
        """Return the scores of one part, valid or test."""
        return {"valid": self.valid_B, "test": self.test_B}[part]


Parts = Mapping[str, TaskRows]
Method = Callable[[Parts, int], Scored]


def random(parts: Parts, seed: int) -> Scored:
    """Return scores of chance."""
    generator = np.random.default_rng(seed)
    return Scored(generator.random(len(parts["valid"])), generator.random(len(parts["test"])))


def popularity(parts: Parts, seed: int) -> Scored:
    """Return the share of long views of each video in train, drawn towards the mean; the seed plays no part."""
    train = parts["train"].frame
    mean = float(parts["train"].label_B.mean())
    videos = train.group_by("video_id").agg(pl.len().alias("rows"), pl.col("long_view").cast(pl.Int64).sum())
    share = (pl.col("long_view") + PRIOR_ROWS * mean) / (pl.col("rows") + PRIOR_ROWS)
    videos = videos.select("video_id", share.alias("share"))

    def scores(part: str) -> FloatArray:
        rows = parts[part].frame.select("video_id").join(videos, on="video_id", how="left", maintain_order="left")
        return rows["share"].fill_null(mean).to_numpy()

    return Scored(scores("valid"), scores("test"))


def machine(parts: Parts, seed: int) -> Scored:
    """Return the official factorisation machine: five fields, stopped on the primary metric of valid."""
    edges = np.quantile(parts["train"].frame["duration_ms"].to_numpy(), np.arange(1, 10) / 10)
    fields = Fields.known_from(_values(parts["train"], edges))
    rows = {part: FieldRows(fields.codes(_values(of, edges))) for part, of in parts.items()}
    train, valid = parts["train"], parts["valid"]
    # On fewer rows than the public ones as many steps an epoch.
    batch_size = max(64, min(_PUBLIC_BATCH, _PUBLIC_BATCH * len(train) // _PUBLIC_TRAIN))
    fitted = fit_machine(
        rows["train"],
        train.label_B,
        fields.size,
        FieldTraining(batch_size=batch_size),
        lambda model: primary(valid, model.scores(rows["valid"])),
        seed,
    )
    return Scored(fitted.model.scores(rows["valid"]), fitted.model.scores(rows["test"]))


def oracle(parts: Parts, seed: int) -> Scored:
    """Return the labels: the ceiling."""
    return Scored(parts["valid"].label_B, parts["test"].label_B)


METHODS: Mapping[str, Method] = {"random": random, "popularity": popularity, "fm": machine, "oracle": oracle}
FITTED = ("random", "fm")
"""Those that depend on the seed."""


def _values(rows: TaskRows, edges: FloatArray) -> pl.DataFrame:
    """Return the official fields: user, video, author, tab and the decile of duration among the rows of train.

    Each has one code for all that train does not hold.
    """
    decile = np.searchsorted(edges, rows.frame["duration_ms"].to_numpy(), side="right")
    return rows.frame.select("user_id", "video_id", "author_id", "tab").with_columns(decile=pl.Series(decile))
