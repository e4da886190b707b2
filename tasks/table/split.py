"""Encodes the rows of some days to the columns of one split, a chunk at a time."""

import datetime as dt
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from tasks.core.contract import KEY
from tasks.core.labels import LABELS
from tasks.features.state import history_file
from tasks.table.columns import ColumnsWriter
from tasks.table.history import HISTORY, HISTORY_INDEX, DayHistories
from tasks.table.past import Past
from tasks.table.preprocessor import Preprocessor
from tasks.table.rows import watch_seconds
from tasks.table.source import FeatureFolder

Array = NDArray[Any]
TASKS = LABELS
"""Binary labels of the table, columns of `labels`."""
SEGMENTS = ("scene", "hour", "is_new_user", "is_new_video", "popularity")
_READ = (*KEY, "known_at_ms", "watch_ms", "duration_ms", "policy", "position", "exposure_probability", "state_day")


@dataclass(frozen=True, eq=False)
class Encoding:
    """Features and the saved preprocessor that encodes their rows. Each process that gets it reads both itself, once.

    Attributes:
        features: folder of the features stage.
        folder: of the preprocessor.
    """

    features: Path
    folder: Path

    @cached_property
    def source(self) -> FeatureFolder:
        """The features."""
        return FeatureFolder.open(self.features)

    @cached_property
    def preprocessor(self) -> Preprocessor:
        """What encodes."""
        return Preprocessor.load(self.folder)

    def files(self, day: dt.date) -> tuple[Path, ...]:
        """Return what rows of an arrival day, and pairs that could have been among them, are encoded from."""
        days = self.source.state_days(day) if self.preprocessor.event_columns else []
        histories = (history_file(self.features, state_day) for state_day in days)
        return *self.source.files(day, self.preprocessor.row_columns), *histories, self.folder

    def __getstate__(self) -> dict[str, Path]:
        """Leave behind what was read."""
        return {"features": self.features, "folder": self.folder}


@dataclass(frozen=True)
class SplitEncoder:
    """Encodes days to the columns of one split, a chunk at a time.

    Attributes:
        encoding: what encodes which features.
        cutoff_ms: rows known later are left out; None: none is.
        chunk_rows: rows encoded at a time.
    """

    encoding: Encoding
    cutoff_ms: int | None
    chunk_rows: int

    def files(self, day: dt.date) -> tuple[Path, ...]:
        """Return what a day's columns are made from."""
        return self.encoding.files(day)

    def write(self, days: Sequence[dt.date], folder: Path) -> list[tuple[int, int]]:
        """Write the columns of some days; return each day's rows and the rows left out as late."""
        source, preprocessor = self.encoding.source, self.encoding.preprocessor
        read = tuple(dict.fromkeys([*_READ, *TASKS, *SEGMENTS, *preprocessor.row_columns]))
        counted = []
        with RowsWriter(folder, preprocessor) as writer:
            for day in days:
                rows = late = 0
                writer.begin_day(source.past(day))
                for chunk in source.chunks(day, read, self.chunk_rows):
                    known = chunk if self.cutoff_ms is None else chunk.filter(pl.col("known_at_ms") <= self.cutoff_ms)
                    late += chunk.height - known.height
                    rows += known.height
                    writer.append(known, label_columns(known, preprocessor.truncate_watch), str(source.rows(day)))
                counted.append((rows, late))
        return counted


class RowsWriter:
    """Writes the columns of encoded rows, day by day, and beside them each sequence that rows of a day read, once.

    Args:
        folder: to write.
        preprocessor: encodes.
    """

    def __init__(self, folder: Path, preprocessor: Preprocessor) -> None:
        self._preprocessor = preprocessor
        self._histories: DayHistories | None = None
        with ExitStack() as stack:
            self._columns = stack.enter_context(ColumnsWriter(folder))
            self._sequences = stack.enter_context(ColumnsWriter(folder / HISTORY))
            if preprocessor.event_columns:
                self._sequences.append(preprocessor.empty_history())
            self._opened = stack.pop_all()

    def begin_day(self, past: Past) -> None:
        """Go on with another day, whose rows read a past."""
        next_index = 1 if self._histories is None else self._histories.next_index
        self._histories = DayHistories(past, self._preprocessor, next_index)

    def append(self, rows: pl.DataFrame, further: Mapping[str, Array], where: str) -> None:
        """Write rows of the day: inputs, context and further columns.

        Raises:
            ContractError: as `Preprocessor.encode` does of rows that came from `where`.
        """
        assert self._histories is not None
        inputs = self._preprocessor.encode(rows, where)
        if self._preprocessor.event_columns:
            inputs[HISTORY_INDEX], fresh = self._histories.index(rows["user_id"], rows["state_day"])
            if fresh is not None:
                self._sequences.append(fresh)
        self._columns.append({**inputs, **context_columns(rows), **further})

    def __enter__(self) -> "RowsWriter":
        return self

    def __exit__(self, *raised: object) -> None:
        self._opened.close()


def context_columns(frame: pl.DataFrame) -> dict[str, Array]:
    """Return key, segments and exposure of rows as arrays: all but the inputs of a model and the labels."""
    key = {name: frame[name].cast(pl.Int64).to_numpy() for name in KEY}
    segments = {
        name: frame[name].cast(pl.Float64).fill_null(float("nan")).to_numpy().astype(np.float32) for name in SEGMENTS
    }
    return {
        **key,
        **segments,
        "random": (frame["policy"] == "random").to_numpy(),
        "position": frame["position"].cast(pl.Int32).fill_null(-1).to_numpy().astype(np.int16),
        "exposure_probability": frame["exposure_probability"]
        .cast(pl.Float64)
        .fill_null(float("nan"))
        .to_numpy()
        .astype(np.float32),
    }


def label_columns(frame: pl.DataFrame, truncate_watch: bool) -> dict[str, Array]:
    """Return the labels of rows as arrays."""
    return {
        "watch_s": watch_seconds(frame, truncate_watch).astype(np.float32),
        "labels": frame.select(pl.col(task).cast(pl.Int8).fill_null(0) for task in TASKS).to_numpy().astype(np.int8),
    }
