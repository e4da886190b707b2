"""The table stage: fits the preprocessor on fit days and encodes fit, validation and judge rows to columns on disk."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from tasks.contract import KEY
from tasks.days import Days
from tasks.errors import ContractError
from tasks.features.buckets import midnight_ms
from tasks.features.labels import LABELS
from tasks.files import hash_tree, write_json, writing
from tasks.manifest import code_hash
from tasks.table.columns import ColumnsWriter
from tasks.table.config import TableConfig
from tasks.table.fit import fit_preprocessor
from tasks.table.history import DayHistories
from tasks.table.preprocessor import Preprocessor
from tasks.table.rows import watch_seconds
from tasks.table.source import CHUNK_ROWS, FeatureFolder

Array = NDArray[Any]
SPLITS = ("fit", "validation", "judge")
TASKS = LABELS
"""Binary labels of the table, columns of `labels`."""
SEGMENTS = ("scene", "hour", "is_new_user", "is_new_video", "popularity")
_READ = (*KEY, "known_at_ms", "watch_ms", "duration_ms", "policy", "position", "exposure_probability", "state_day")


@dataclass(frozen=True)
class TableResult:
    """What the stage did.

    Attributes:
        rows: rows per split.
        late: rows per split left out because they were not known at the run's cut-off.
        features: model inputs: number of categorical fields, packed rows and dense features.
    """

    rows: Mapping[str, int]
    late: Mapping[str, int]
    features: Mapping[str, int]


def build_table(
    features: Path, config: TableConfig, days: Days, out: Path, chunk_rows: int = CHUNK_ROWS
) -> TableResult:
    """Build the training table of one night.

    Nothing that is fitted here reads a row of the validation or judge days.

    Args:
        features: folder that the features stage wrote.
        config: what to encode.
        days: roles of the days.
        out: folder to write; replaced as a whole.
        chunk_rows: rows encoded at a time; memory follows it, the result does not (up to the last bits of
            the normalisation).

    Raises:
        ContractError: if a day or column is missing, or the fit or validation days hold no row.
        ConfigError: if the configuration names a field that the features stage does not offer.
    """
    source = FeatureFolder.open(features)
    cutoff_ms = midnight_ms(days.judge[0], source.timezone)
    preprocessor = fit_preprocessor(source, config, days.fit, cutoff_ms, chunk_rows)
    split_days = {"fit": days.fit, "validation": (days.validation,), "judge": days.judge}
    with writing(out) as temporary:
        preprocessor.save(temporary / "preprocessor")
        rows, late = {}, {}
        for split in SPLITS:
            cutoff = None if split == "judge" else cutoff_ms
            encoder = SplitEncoder(source, preprocessor, cutoff, chunk_rows)
            rows[split], late[split] = encoder.write(split_days[split], temporary / split)
        _require_rows(rows, split_days)
        write_json(temporary / "table.json", _description(temporary, preprocessor, config, split_days, rows, late))
    schema = preprocessor.schema
    sizes = {"fields": schema.num_fields, "packed_rows": schema.num_rows, "dense": schema.num_dense}
    return TableResult(rows, late, sizes)


def _require_rows(rows: Mapping[str, int], split_days: Mapping[str, Sequence[dt.date]]) -> None:
    for split in ("fit", "validation"):
        if rows[split] == 0:
            listed = ", ".join(map(str, split_days[split]))
            raise ContractError(f"the {split} days ({listed}) hold no row: choose another as_of or mend the source")


def _description(
    folder: Path,
    preprocessor: Preprocessor,
    config: TableConfig,
    split_days: Mapping[str, Sequence[dt.date]],
    rows: Mapping[str, int],
    late: Mapping[str, int],
) -> dict[str, Any]:
    """Return table.json; `training` is the hash of everything a fit may see, which is not the judge day."""
    hashes = {part: hash_tree(folder / part) for part in ("preprocessor", *SPLITS)}
    return {
        "days": {split: [day.isoformat() for day in days] for split, days in split_days.items()},
        "rows": dict(rows),
        "late": dict(late),
        "tasks": list(TASKS),
        "schema": preprocessor.schema.model_dump(mode="json"),
        "config": config.model_dump(mode="json"),
        "hashes": hashes,
        "code": code_hash("table"),
    }


class SplitEncoder:
    """Encodes days to the columns of one split, a chunk at a time."""

    def __init__(
        self, source: FeatureFolder, preprocessor: Preprocessor, cutoff_ms: int | None, chunk_rows: int
    ) -> None:
        self._source, self._preprocessor = source, preprocessor
        self._cutoff_ms, self._chunk_rows = cutoff_ms, chunk_rows
        self._columns = tuple(dict.fromkeys([*_READ, *TASKS, *SEGMENTS, *preprocessor.row_columns]))

    def write(self, days: Sequence[dt.date], folder: Path) -> tuple[int, int]:
        """Write the split; return its rows and the rows left out as late."""
        rows = late = 0
        next_index = 1
        with ColumnsWriter(folder) as columns, ColumnsWriter(folder / "history") as sequences:
            if self._preprocessor.history_fields:
                sequences.append(self._preprocessor.empty_history())
            for day in days:
                histories = DayHistories(self._source.history, self._preprocessor, next_index)
                for chunk in self._source.chunks(day, self._columns, self._chunk_rows):
                    known = chunk if self._cutoff_ms is None else chunk.filter(pl.col("known_at_ms") <= self._cutoff_ms)
                    late += chunk.height - known.height
                    rows += known.height
                    encoded, fresh = self._encode(known, histories, str(self._source.rows(day)))
                    columns.append(encoded)
                    if fresh is not None:
                        sequences.append(fresh)
                next_index = histories.next_index
        return rows, late

    def _encode(
        self, frame: pl.DataFrame, histories: DayHistories, where: str
    ) -> tuple[dict[str, Array], dict[str, Array] | None]:
        encoded = self._preprocessor.encode(frame, where) | example_columns(frame, self._preprocessor.truncate_watch)
        if not self._preprocessor.history_fields:
            return encoded, None
        encoded["history_index"], fresh = histories.index(frame["user_id"], frame["state_day"])
        return encoded, fresh


def example_columns(frame: pl.DataFrame, truncate_watch: bool) -> dict[str, Array]:
    """Return labels, key, exposure and segments of rows as arrays."""
    key = {name: frame[name].cast(pl.Int64).to_numpy() for name in KEY}
    segments = {
        name: frame[name].cast(pl.Float64).fill_null(float("nan")).to_numpy().astype(np.float32) for name in SEGMENTS
    }
    return {
        **key,
        **segments,
        "watch_s": watch_seconds(frame, truncate_watch).astype(np.float32),
        "labels": frame.select(pl.col(task).cast(pl.Int8).fill_null(0) for task in TASKS).to_numpy().astype(np.int8),
        "random": (frame["policy"] == "random").to_numpy(),
        "position": frame["position"].cast(pl.Int32).fill_null(-1).to_numpy().astype(np.int16),
        "exposure_probability": frame["exposure_probability"]
        .cast(pl.Float64)
        .fill_null(float("nan"))
        .to_numpy()
        .astype(np.float32),
    }
