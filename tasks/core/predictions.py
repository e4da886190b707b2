"""The prediction table: the one layout that models and baselines write and every later stage reads.

One row per impression: key, day, label, segments, exposure, feedback; then per seed of the model `score_s<seed>` (what
ranks), `watch_mean_s<seed>` and `watch_median_s<seed>` (seconds) and `p_<task>_s<seed>` (probabilities).
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from tasks.core.contract import KEY, LABELS

SEGMENTS = ("scene", "hour", "is_new_user", "is_new_video", "popularity")
EXPOSURE = ("policy", "position", "exposure_probability")
SOURCE_COLUMNS = (*KEY, "arrival_day", "watch_ms", "duration_ms", *SEGMENTS, *EXPOSURE, *LABELS)
"""Columns of a feature partition that the table keeps."""
ROW_COLUMNS = (*KEY, "day", "y_s", "duration_ms", "watch_ms", *SEGMENTS, "policy", "exposure_probability")
"""What a reader needs of every row beside the labels."""

SCORE, MEAN, MEDIAN = "score", "watch_mean", "watch_median"
SECONDS_AND_SCORE = (SCORE, MEAN, MEDIAN)
"""Outputs every model has; probabilities of its binary tasks come on top."""

_COLUMN = re.compile(rf"(?P<output>{SCORE}|{MEAN}|{MEDIAN}|p_.+)_s(?P<seed>\d+)")


def probability(task: str) -> str:
    """Return the output that holds the probability of a binary task."""
    return f"p_{task}"


def task_of(output: str) -> str | None:
    """Return the binary task of an output; None for the score and the seconds."""
    return output.removeprefix("p_") if output.startswith("p_") else None


def column(output: str, seed: int) -> str:
    """Return the column of one output of one seed."""
    return f"{output}_s{seed}"


@dataclass(frozen=True)
class PredictionColumn:
    """A prediction column by its parts: the inverse of `column`.

    Attributes:
        name: as it stands in the table.
        output: score, watch_mean, watch_median or p_<task>.
        seed: of the fit.
    """

    name: str
    output: str
    seed: int


def prediction_columns(names: Iterable[str]) -> tuple[PredictionColumn, ...]:
    """Return the prediction columns among the columns of a table, in their order."""
    matches = ((name, _COLUMN.fullmatch(name)) for name in names)
    return tuple(PredictionColumn(name, match["output"], int(match["seed"])) for name, match in matches if match)


def prediction_rows(frame: pl.DataFrame, label_s: NDArray[Any]) -> pl.DataFrame:
    """Return the part of a prediction table that no model decides.

    Args:
        frame: rows of a feature partition with `SOURCE_COLUMNS`.
        label_s: watched seconds as the models learn them, [rows].
    """
    return frame.select(
        *KEY,
        pl.col("arrival_day").alias("day"),
        pl.Series("y_s", label_s),
        *("duration_ms", "watch_ms"),
        *(*SEGMENTS, *EXPOSURE, *LABELS),
    )


def seed_columns(values: Mapping[str, NDArray[np.floating[Any]]], seed: int) -> list[pl.Series]:
    """Return one seed's outputs as columns."""
    return [pl.Series(column(output, seed), value) for output, value in values.items()]
