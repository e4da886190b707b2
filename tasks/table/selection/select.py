"""Draws the rows that the steps of a fit read, and writes what was drawn with which probability.

train_selection.parquet   every row of the fit days in the order of the split: key, probability, whether it is kept
selected/                 the columns of the kept rows, as those of a split, and `weight` = 1 / probability

The split `fit` stays whole: what is counted, ranked or averaged over the fit days is so over all of their rows, and only what
reads `selected` has to weigh (docs/methods/selection.md#what-reads-what).

Shapes: R rows of a part, K levels of a key, S selected rows.
"""

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from models.weights import effective_sample_size
from tasks.core.contract import KEY
from tasks.core.days import midnight_ms
from tasks.core.errors import ContractError
from tasks.core.hashed import uniform
from tasks.core.parquet import PartWriter
from tasks.table.columns import ColumnsWriter, open_column, open_columns
from tasks.table.history import HISTORY, HISTORY_INDEX
from tasks.table.selection.config import Selected
from tasks.table.selection.probabilities import Floats, Ints, Scores
from tasks.table.selection.scores import PART_ROWS, SCORES, FitRows
from tasks.table.selection.summary import SelectionSummary
from tasks.table.training_table import WEIGHT

DRAWN = "train_selection.parquet"
_SCHEMA: dict[str, pl.DataType] = {
    **dict.fromkeys(KEY, pl.Int64()),
    "probability": pl.Float64(),
    "kept": pl.Boolean(),
}


@dataclass(frozen=True, eq=False)
class Draw:
    """Poisson sampling: every unit is kept or not by itself, by a hash of what it is.

    Attributes:
        scores: what is drawn, and how much it is wanted.
        probability_K: inclusion probability of the rows of each level.
        seed: of the draw.
        night: last fit day: another night draws anew.
    """

    scores: Scores
    probability_K: Floats
    seed: int
    night: dt.date

    def __call__(self, user_R: Ints, video_R: Ints, time_R: Ints) -> tuple[Floats, NDArray[np.bool_]]:
        """Return probability and fate of rows, each [R]."""
        level_R = user_R if self.scores.key == "user_id" else video_R
        probability_R = self.probability_K[np.searchsorted(self.scores.level_K, level_R)]
        unit = (user_R,) if self.scores.unit == "user" else (user_R, video_R, time_R)
        return probability_R, uniform(self.seed, self.night.toordinal(), *unit) < probability_R


def select_rows(
    fit: Path, config: Selected, last_day: dt.date, timezone: str, drawn: Path, out: Path
) -> SelectionSummary:
    """Draw from the rows of the fit days, and write what was drawn.

    Args:
        fit: folder of the split.
        config: how.
        last_day: last fit day.
        timezone: of the source.
        drawn: file to write, with every row of the split.
        out: folder to write, with the kept ones.

    Raises:
        ContractError: if no row was kept, or the rows lack what the kind compares.
    """
    rows = FitRows(fit, midnight_ms(last_day, timezone))
    scores = SCORES[config.kind](rows, config)
    draw = Draw(scores, scores.probabilities(config.share, config.lowest), config.seed, last_day)
    kept, weight = [], []
    with PartWriter(drawn, _SCHEMA) as writer:
        for begin, part in zip(range(0, len(rows), PART_ROWS), rows.parts(*KEY), strict=True):
            key = dict(zip(KEY, part, strict=True))
            probability_R, kept_R = draw(key["user_id"], key["video_id"], key["event_time_ms"])
            writer.write(pl.DataFrame({**key, "probability": probability_R, "kept": kept_R}, schema=_SCHEMA))
            kept.append(begin + np.flatnonzero(kept_R))
            weight.append(1 / probability_R[kept_R])
    kept_S, weight_S = np.concatenate(kept), np.concatenate(weight)
    if not kept_S.size:
        raise ContractError(f"table.selection kept none of {len(rows)} rows of the fit days: raise share")
    _write(fit, kept_S, weight_S, out)
    return _summary(config.kind, rows, scores, kept_S, weight_S)


def _write(fit: Path, kept_S: Ints, weight_S: Floats, out: Path) -> None:
    """Copy the kept rows, and of the histories those that they read."""
    history_S = open_column(fit, HISTORY_INDEX)[kept_S] if (fit / f"{HISTORY_INDEX}.npy").is_file() else None
    used = None if history_S is None else np.unique(history_S)
    with ColumnsWriter(out) as columns, ColumnsWriter(out / HISTORY) as sequences:
        for rows_R in _parts(kept_S):
            part = {name: np.array(values[rows_R]) for name, values in open_columns(fit).items()}
            if used is not None:
                index = part[HISTORY_INDEX]
                part[HISTORY_INDEX] = np.searchsorted(used, index).astype(index.dtype)
            columns.append(part)
        for rows_R in _parts(weight_S):
            columns.append({WEIGHT: rows_R})
        if used is not None:
            for rows_R in _parts(used):
                sequences.append({name: values[rows_R] for name, values in open_columns(fit / HISTORY).items()})


def _parts(values: NDArray[Any]) -> Iterator[NDArray[Any]]:
    for begin in range(0, len(values), PART_ROWS):
        yield values[begin : begin + PART_ROWS]


def _summary(kind: str, rows: FitRows, scores: Scores, kept_S: Ints, weight_S: Floats) -> SelectionSummary:
    """Return what the draw came to, with the mean watch time of the pool and the same as its weights say.

    The standard error is that of a quotient under Poisson sampling: units are drawn independently, so their residuals' squares
    are added up, each by (1 - pi) / pi^2.
    """
    watch_S = open_column(rows.folder, "watch_s")[kept_S].astype(np.float64)
    total = float(weight_S.sum())
    mean = float((weight_S * watch_S).sum()) / total
    unit_S = np.arange(len(kept_S))
    if scores.unit == "user":
        unit_S = np.unique(open_column(rows.folder, "user_id")[kept_S], return_inverse=True)[1]
    residual_V = np.bincount(unit_S, watch_S - mean)  # all rows of a unit have one weight
    weight_V = np.zeros(len(residual_V))
    weight_V[unit_S] = weight_S
    variance = float((weight_V * (weight_V - 1) * np.square(residual_V)).sum()) / total**2
    return SelectionSummary(
        kind=kind,
        unit=scores.unit,
        pool=len(rows),
        kept=len(kept_S),
        units=len(scores.level_K) if scores.unit == "user" else len(rows),
        kept_units=len(residual_V),
        effective=effective_sample_size(weight_S),
        largest_weight=float(weight_S.max()),
        pool_watch_s=sum(float(watch_R.astype(np.float64).sum()) for (watch_R,) in rows.parts("watch_s")) / len(rows),
        weighted_watch_s=mean,
        error_s=variance**0.5,
    )
