"""One model's prediction table, read column by column and checked before anything is measured on it.

`tasks.core.predictions` has its layout; `tasks.predict` and `tasks.baselines` write it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from tasks.core.contract import KEY
from tasks.core.errors import ContractError, DwellError
from tasks.core.labels import LABELS
from tasks.core.predictions import (
    MEAN,
    MEAN_UNIFORM,
    MEDIAN,
    ROW_COLUMNS,
    SCORE,
    SECONDS_AND_SCORE,
    column,
    prediction_columns,
    probability,
    read_bound,
    task_of,
)
from tasks.evaluate.role import Role

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

_ROUNDING_S = 1e-3
"""A label may have passed through float32; durations are whole milliseconds."""


class PredictionError(DwellError):
    """A prediction table holds NaN or infinite predictions, or two tables do not hold the same rows."""


@dataclass(frozen=True)
class PredictionTable:
    """The rows of one or several days, with predictions read on demand.

    Attributes:
        name: the model's name, for messages.
        role: validation or judge.
        paths: one Parquet file per day, in order.
        seeds: seeds every file holds predictions of.
        tasks: binary tasks every file holds probabilities of.
        truncate_watch: whether the label is min(play, duration), as the files say.
        frame: key, labels and segments of all rows (no predictions).
    """

    name: str
    role: Role
    paths: tuple[Path, ...]
    seeds: tuple[int, ...]
    tasks: tuple[str, ...]
    truncate_watch: bool
    frame: pl.DataFrame

    @classmethod
    def read(cls, name: str, paths: Sequence[Path], role: Role = "judge") -> "PredictionTable":
        """Open tables of one model.

        Raises:
            ContractError: if a file or a column is missing, or a file holds no row or no complete seed.
            PredictionError: if days of one model were predicted with different seeds or labels.
        """
        if not paths:
            raise ContractError(f"{name}: no prediction table was given")
        found = [_predicted(name, path) for path in paths]
        if any(seeds != found[0][0] for seeds, _ in found):
            listed = "; ".join(f"{path}: {seeds}" for path, (seeds, _) in zip(paths, found, strict=True))
            raise PredictionError(
                f"{name}: its tables hold different seeds ({listed}); predict every day with the same"
            )
        bounds = {path: read_bound(path) for path in paths}
        if len(set(bounds.values())) > 1:
            listed = "; ".join(f"{path}: truncate_watch {bound}" for path, bound in bounds.items())
            raise PredictionError(
                f"{name}: its tables hold different labels ({listed}); predict every day with one model"
            )
        tasks = tuple(task for task in LABELS if all(task in tasks for _, tasks in found))
        frame = pl.concat([pl.read_parquet(path, columns=[*ROW_COLUMNS, *LABELS]) for path in paths])
        if frame.is_empty():
            raise ContractError(f"{name}: {', '.join(map(str, paths))} hold no row")
        return cls(name, role, tuple(paths), found[0][0], tasks, bounds[paths[0]], frame)

    def __len__(self) -> int:
        return self.frame.height

    @property
    def days(self) -> tuple[str, ...]:
        """Days of the rows as ISO dates, in order."""
        return tuple(sorted({str(day) for day in self.frame["day"].unique()}))

    @cached_property
    def user(self) -> Integers:
        """Code 0 .. U-1 of every row's user, in order of user_id."""
        return np.unique(self.frame["user_id"].to_numpy(), return_inverse=True)[1].astype(np.int64)

    @cached_property
    def num_users(self) -> int:
        """Distinct users."""
        return int(self.user.max()) + 1

    @cached_property
    def y(self) -> Floats:
        """Watched seconds, unrounded."""
        return self._finite(self.frame["y_s"].cast(pl.Float64).to_numpy(), "y_s")

    @cached_property
    def duration(self) -> Floats:
        """Duration in seconds."""
        return self._finite(self.frame["duration_ms"].cast(pl.Float64).to_numpy() / 1000, "duration_ms")

    @cached_property
    def popularity(self) -> Floats:
        """How often the video had been shown before the day; a null is 0."""
        return self._finite(self.frame["popularity"].cast(pl.Float64).fill_null(0).to_numpy(), "popularity")

    @cached_property
    def logged(self) -> NDArray[np.bool_]:
        """Rows that the product's own policy exposed, that is all but the randomly exposed ones."""
        return (self.frame["policy"] != "random").to_numpy()

    def segment(self, column: str) -> Integers:
        """Return an integer segment column (`scene`, `hour`, `is_new_user`, `is_new_video`)."""
        return self.frame[column].cast(pl.Int64).to_numpy()

    def label(self, task: str) -> Integers:
        """Return the 0/1 label of a binary task."""
        if self.frame[task].null_count():
            raise ContractError(f"model {self.name!r}: label {task} is null in {self.frame[task].null_count()} rows")
        return self.frame[task].cast(pl.Int64).to_numpy()

    def score(self, seed: int) -> Floats:
        """Return the ranking score."""
        return self._prediction(column(SCORE, seed))

    def watch_mean(self, seed: int) -> Floats:
        """Return the predicted mean in seconds, clipped to [0, duration]; from 0 on where the label counts replays."""
        return np.clip(self._prediction(column(MEAN, seed)), 0, self._longest)

    def watch_mean_uniform(self, seed: int) -> Floats | None:
        """Return the predicted mean under uniform exposure, clipped as the mean is; None where the model has none."""
        name = column(MEAN_UNIFORM, seed)
        if any(name not in pl.read_parquet_schema(path) for path in self.paths):
            return None
        return np.clip(self._prediction(name), 0, self._longest)

    def watch_median(self, seed: int) -> Floats:
        """Return the predicted median in seconds, clipped as the mean is."""
        return np.clip(self._prediction(column(MEDIAN, seed)), 0, self._longest)

    @cached_property
    def _longest(self) -> Floats | None:
        """The duration where labels end there; None where they count replays."""
        if not self.truncate_watch:
            return None
        beyond = np.flatnonzero(self.y > self.duration + _ROUNDING_S)
        if len(beyond):
            raise PredictionError(
                f"model {self.name!r}: {len(beyond)} labels exceed the duration (first in row {beyond[0]}), but "
                f"{', '.join(map(str, self.paths))} say or imply truncate_watch true: predict the day again"
            )
        return self.duration

    def probability(self, task: str, seed: int) -> Floats:
        """Return the predicted probability of a binary task."""
        return self._prediction(column(probability(task), seed))

    def _prediction(self, column: str) -> Floats:
        parts = [pl.read_parquet(path, columns=[column])[column].cast(pl.Float64) for path in self.paths]
        return self._finite(pl.concat(parts).fill_null(float("nan")).to_numpy(), column)

    def _finite(self, values: Any, column: str) -> Floats:
        bad = np.flatnonzero(~np.isfinite(values))
        if bad.size:
            shown = ", ".join(str(row) for row in bad[:5]) + (" ..." if bad.size > 5 else "")
            first = dict(zip(KEY, self.frame.select(KEY).row(int(bad[0])), strict=True))
            raise PredictionError(
                f"model {self.name!r}: {column} is NaN or infinite in {bad.size} of {len(self)} rows "
                f"(rows {shown}; the first is {first}); no metric is computed on such predictions"
            )
        return np.ascontiguousarray(values, dtype=np.float64)


def _predicted(name: str, path: Path) -> tuple[tuple[int, ...], set[str]]:
    """Return the seeds and binary tasks a file holds complete predictions of, after checking its columns."""
    if not path.is_file():
        raise ContractError(f"{name}: there is no prediction table {path}; predict the day first")
    present = pl.read_parquet_schema(path).keys()
    found = prediction_columns(present)
    if not found:
        raise ContractError(f"{name}: {path} holds no prediction column such as {column(SCORE, 0)}")
    seeds = tuple(sorted({item.seed for item in found}))
    needed = [*ROW_COLUMNS, *LABELS, *(column(output, seed) for seed in seeds for output in SECONDS_AND_SCORE)]
    missing = [required for required in needed if required not in present]
    if missing:
        raise ContractError(f"{name}: {path} lacks the column(s) {', '.join(missing)}")
    outputs = [{item.output for item in found if item.seed == seed} for seed in seeds]
    return seeds, {task for output in set.intersection(*outputs) if (task := task_of(output)) is not None}


def require_same_rows(candidate: PredictionTable, reference: PredictionTable) -> None:
    """Check that two tables hold the same rows in the same order, labels included.

    Raises:
        PredictionError: naming the first difference.
    """
    sides = f"{candidate.name!r} and {reference.name!r}"
    if len(candidate) != len(reference):
        raise PredictionError(f"{sides} cannot be compared: {len(candidate)} against {len(reference)} rows")
    columns: Mapping[str, None] = dict.fromkeys((*KEY, "day", "y_s", "duration_ms", *LABELS))
    for name in columns:
        unequal = (candidate.frame[name].ne_missing(reference.frame[name])).arg_true()
        if len(unequal):
            row = int(unequal[0])
            pair = f"{candidate.frame[name][row]!r} against {reference.frame[name][row]!r}"
            raise PredictionError(
                f"{sides} cannot be compared: column {name} differs in {len(unequal)} rows, first in row {row} ({pair}); "
                "both must predict the same rows in the same order"
            )
