"""The features of arbitrary pairs on a day that is served: the very join that made the training rows."""

import datetime as dt
from pathlib import Path

import polars as pl

from tasks.core.errors import ContractError
from tasks.core.files import read_json
from tasks.features.config import FeatureConfig
from tasks.features.join import State, join_features

REQUIRED = ("user_id", "video_id", "scene", "event_time_ms")
_OPTIONAL = {"duration_ms": pl.Int64(), "position": pl.Int16()}


def candidates(features: Path, rows: pl.LazyFrame, day: dt.date) -> pl.LazyFrame:
    """Add the feature columns to candidate pairs, in their order; further columns are kept.

    Args:
        features: data/features.
        rows: user_id, video_id, scene, event_time_ms (when the pair would be shown); optionally duration_ms where it
            is known better than by the catalogue, known_at_ms (without it the hour feature is that of the event),
            position (without it null: nobody knows the slot yet), and further columns of context (without them null).
        day: state to read, `days.state_day(days.serve)` for tomorrow's candidates.

    Raises:
        ContractError: if `rows` lacks a column.
        SourceError: if no state was built for that day.
    """
    present = rows.collect_schema().names()
    missing = [name for name in REQUIRED if name not in present]
    if missing:
        raise ContractError(f"candidates lack {', '.join(missing)}; they have {', '.join(present)}")
    schema = read_json(features / "schema.json")
    config = FeatureConfig.model_validate(schema["config"])
    if "known_at_ms" not in present:
        config = config.model_copy(update={"hour": "event"})
    optional = _OPTIONAL | dict.fromkeys(schema.get("context", ()), pl.String())
    absent = {name: dtype for name, dtype in optional.items() if name not in present}
    rows = rows.with_columns(pl.lit(None, dtype=dtype).alias(name) for name, dtype in absent.items())
    state = State.scan(features, day, config).of_users(rows, config)
    return join_features(rows, state, config, schema["timezone"])
