"""The prediction table of whole days."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow.parquet as pq
import torch

from tasks.core.errors import TrainingError
from tasks.core.files import writing
from tasks.core.predictions import SOURCE_COLUMNS, bound_metadata, prediction_rows, seed_columns
from tasks.features.candidates import columns_of_rows, on_older_state
from tasks.predict.load import load_model
from tasks.predict.model import Model
from tasks.table.past import Past
from tasks.table.rows import watch_seconds
from tasks.table.source import FeatureDays, FeatureFolder


def predict_days(
    bundle: Path,
    rows: FeatureDays,
    out: Path,
    threads: int = 1,
    seeds: Sequence[int] | None = None,
    older_state: bool = False,
) -> int:
    """Write the prediction table of some arrival days and return how many rows it has.

    `tasks.core.predictions` has its layout. Rows stand in the order of the feature partitions. Memory does not grow
    with the number of rows.

    Args:
        bundle: what to predict with, of this night or an earlier one: one recipe or an ensemble.
        rows: what to predict.
        out: Parquet file to write.
        threads: CPU threads; a fixed number, because the last bits of sums depend on it.
        seeds: whose predictions; None: every seed's.
        older_state: whether features are those known the morning before, as if they had not been computed since.

    Raises:
        ContractError: if a day or a column is missing.
        TrainingError: if the bundle cannot be read.
    """
    torch.set_num_threads(threads)
    model, source = load_model(bundle, seeds), FeatureFolder.open(rows.features)
    columns = tuple(dict.fromkeys([*SOURCE_COLUMNS, "state_day", *model.row_columns]))
    of_any_day = source.past(kept=4)
    written = 0
    with writing(out) as temporary:
        writer: pq.ParquetWriter | None = None
        for day in rows.days:
            wanted = columns_of_rows(source.columns(day)) if older_state else columns
            past = of_any_day if older_state else source.past(day, kept=4)
            for chunk in source.chunks(day, wanted):
                frame = on_older_state(rows.features, chunk) if older_state else chunk
                table = predicted_rows(model, frame, past, str(source.rows(day))).to_arrow()
                schema = table.schema.with_metadata(bound_metadata(model.truncate_watch))
                writer = writer or pq.ParquetWriter(temporary, schema, compression="zstd")
                writer.write_table(table)
                written += frame.height
        if writer is None:
            raise TrainingError(f"{rows.features}: the days {', '.join(map(str, rows.days))} hold no row to predict")
        writer.close()
    return written


def lacking(bundle: Path, rows: FeatureDays) -> tuple[str, ...]:
    """Return the columns that a model was trained with and the features of some days, or their histories, do not hold.

    Raises:
        ContractError: if a day is missing.
        TrainingError: if the bundle cannot be read.
    """
    model, source = load_model(bundle), FeatureFolder.open(rows.features)
    present = frozenset.intersection(*(source.columns(day) for day in rows.days))
    gone = [name for name in model.row_columns if name not in present]
    past = [f"{name} of past events" for name in model.history_columns if name not in source.history_fields]
    return (*gone, *past)


def predicted_rows(model: Model[Any], frame: pl.DataFrame, past: Past, where: str) -> pl.DataFrame:
    """Return keys, labels and segments of rows beside every seed's predictions, as `predict_days` lays them out.

    Args:
        model: what predicts.
        frame: feature rows with keys, labels and exposure; hold only as many as fit in memory.
        past: what users did.
        where: where the rows came from, for messages.
    """
    y_s = watch_seconds(frame, model.truncate_watch)
    encoded = model.encode(frame, past, where)
    predicted = [series for seed in model.seeds for series in seed_columns(model.predict_encoded(encoded, seed), seed)]
    return prediction_rows(frame, y_s).with_columns(predicted)
