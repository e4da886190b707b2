"""The prediction table: the one layout that models and baselines write and every later stage reads.

One row per impression: key, day, label, segments, exposure, feedback; then per seed of the model `score_s<seed>` (what
ranks), `watch_mean_s<seed>` and `watch_median_s<seed>` (seconds), `watch_mean_uniform_s<seed>` where it is known, and
`p_<task>_s<seed>` (probabilities).
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import polars as pl
import pyarrow.parquet as pq
from numpy.typing import NDArray

from tasks.core.contract import KEY
from tasks.core.errors import ContractError
from tasks.core.labels import LABELS

Values = TypeVar("Values")
SEGMENTS = ("scene", "hour", "is_new_user", "is_new_video", "popularity")
EXPOSURE = ("policy", "position", "exposure_probability")
SOURCE_COLUMNS = (*KEY, "arrival_day", "watch_ms", "duration_ms", *SEGMENTS, *EXPOSURE, *LABELS)
"""Columns of a feature partition that the table keeps."""
ROW_COLUMNS = (*KEY, "day", "y_s", "duration_ms", "watch_ms", *SEGMENTS, "policy", "exposure_probability")
"""What a reader needs of every row beside the labels."""

SCORE, MEAN, MEDIAN = "score", "watch_mean", "watch_median"
SECONDS_AND_SCORE = (SCORE, MEAN, MEDIAN)
"""Outputs every model has; probabilities of its binary tasks come on top."""
MEAN_UNIFORM = "watch_mean_uniform"
"""Mean seconds under uniform exposure, where rows exposed at random tell them; `watch_mean` is that of what is shown."""

_BOUND_KEY = "truncate_watch"
_SPELLED = {True: "true", False: "false"}
"""Metadata of the file: whether the watch-time label ends at the duration."""
_COLUMN = re.compile(rf"(?P<output>{SCORE}|{MEAN}|{MEDIAN}|{MEAN_UNIFORM}|p_.+)_s(?P<seed>\d+)")


def probability(task: str) -> str:
    """Return the output that holds the probability of a binary task."""
    return f"p_{task}"


def task_of(output: str) -> str | None:
    """Return the binary task of an output; None for the score and the seconds."""
    return output.removeprefix("p_") if output.startswith("p_") else None


def probabilities(outputs: Mapping[str, Values]) -> dict[str, Values]:
    """Return the probabilities of binary tasks among outputs, by the same names."""
    return {name: values for name, values in outputs.items() if task_of(name) is not None}


def column(output: str, seed: int) -> str:
    """Return the column of one output of one seed."""
    return f"{output}_s{seed}"


@dataclass(frozen=True)
class PredictionColumn:
    """A prediction column by its parts: the inverse of `column`.

    Attributes:
        name: as it stands in the table.
        output: score, watch_mean, watch_median, watch_mean_uniform or p_<task>.
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


def bound_metadata(truncate_watch: bool) -> dict[str, str]:
    """Return the metadata that a writer of predictions puts into its file."""
    return {_BOUND_KEY: _SPELLED[truncate_watch]}


def read_bound(path: Path) -> bool:
    """Return whether the label is min(play, duration).

    A file that does not say is one written before files did, or by hand; it is read with the default of
    `table.truncate_watch`, true, which nearly all of them have. Labels beyond the duration contradict it, and their
    reader refuses them.

    Raises:
        ContractError: if the metadata says something else than true or false.
    """
    said = (pq.read_metadata(path).metadata or {}).get(_BOUND_KEY.encode(), b"true").decode()
    for value, spelled in _SPELLED.items():
        if said == spelled:
            return value
    raise ContractError(f"{path}: the metadata has {_BOUND_KEY} {said!r}, not true or false: predict the day again")
