"""The features of arbitrary pairs on a day that is served: the very join that made the training rows."""

import datetime as dt
from collections.abc import Iterable, Sequence
from pathlib import Path

import polars as pl

from tasks.core.contract import impressions_schema
from tasks.core.errors import ContractError
from tasks.core.files import read_json
from tasks.core.labels import LABELS
from tasks.core.layout import partition_days
from tasks.core.traits import declared
from tasks.features.config import FeatureConfig
from tasks.features.join import State, join_features
from tasks.features.traits import join_traits

REQUIRED = ("user_id", "video_id", "scene", "event_time_ms")
_ROWS_OWN = ("event_day", "arrival_day", "state_day", *LABELS)
"""Columns of feature rows that no state has a say in, beside those of the log."""
_OPTIONAL = {"duration_ms": pl.Int64(), "position": pl.Int16()}


def candidates(features: Path, rows: pl.LazyFrame, day: dt.date, traits: Sequence[str] | None = None) -> pl.LazyFrame:
    """Add the feature columns to candidate pairs, in their order; further columns are kept.

    Args:
        features: data/features.
        rows: user_id, video_id, scene, event_time_ms (when the pair would be shown); optionally duration_ms where it
            is known better than by the catalogue, known_at_ms (without it the hour feature is that of the event),
            position (without it null: nobody knows the slot yet), and further columns of context (without them null).
        day: state to read, `days.state_day(days.serve)` for tomorrow's candidates.
        traits: those whose columns are added; None: all that are declared.

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
    joined = join_features(rows, state, config, schema["timezone"])
    known = declared(schema)
    names = sorted(known if traits is None else traits)
    return join_traits(joined, features, known, names, [day], schema["timezone"]) if names else joined


def columns_of_rows(columns: Iterable[str]) -> list[str]:
    """Return those columns of feature rows that `on_older_state` reads: what the log says, labels and days."""
    present = list(columns)
    return [name for name in present if name in (*impressions_schema(present), *_ROWS_OWN)]


def on_older_state(features: Path, rows: pl.DataFrame) -> pl.DataFrame:
    """Return feature rows as they would be had no state been computed since the morning before theirs, in their order.

    Where the features hold no state of that morning, a row keeps its own.

    Args:
        features: data/features.
        rows: `columns_of_rows` of them; state days ascend.
    """
    have = frozenset(partition_days(features / "state"))
    parts = []
    for (day,), part in rows.group_by("state_day", maintain_order=True):
        before = day - dt.timedelta(days=1)
        state = before if before in have else day
        parts.append(candidates(features, part.drop("state_day").lazy(), state).collect())
    return pl.concat(parts) if parts else candidates(features, rows.drop("state_day").lazy(), max(have)).collect()
