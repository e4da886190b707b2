"""The columns of data/features, by role: `schema.json` is what the table stage reads."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from tasks.core.contract import CONTENT_VECTOR, VIDEOS
from tasks.core.files import hash_value, write_json
from tasks.core.labels import LABELS
from tasks.core.traits import declared
from tasks.features import buckets, history, recency
from tasks.features.config import FeatureConfig
from tasks.features.state import column_names

KEYS = ("user_id", "video_id", "event_time_ms", "known_at_ms", "event_day", "arrival_day", "state_day")
CONTEXT = ("scene", "hour", "day_of_week", "video_age_bucket", "duration_bucket")
MEASURES = ("duration_ms", "watch_ms")
EXPOSURE = ("policy", "position", "exposure_probability", "is_new_user", "is_new_video", "popularity")
CONTEXT_DENSE = ("duration_log", "video_age_log", "hour_sin", "hour_cos")

_NO_CATEGORIES = (*(column.name for column in VIDEOS), CONTENT_VECTOR)


def categorical_columns(
    config: FeatureConfig, users: Sequence[str], videos: Sequence[str], context: Sequence[str] = ()
) -> list[dict[str, str]]:
    """Return name, kind (id, string, bucket) and owner (user, video, context) of every categorical column.

    Args:
        config: features.
        users: columns of the stage's users table.
        videos: columns of the stage's videos table.
        context: further columns of impressions.
    """
    ids = [("user_id", "user"), ("video_id", "video"), ("author_id", "video"), ("music_id", "video")]
    columns = [{"name": name, "kind": "id", "of": owner} for name, owner in ids]
    columns.append({"name": "tag", "kind": "string", "of": "video"})
    columns += [{"name": name, "kind": "bucket", "of": "context"} for name in CONTEXT]
    codes = [code for name, group in config.groups.items() for code in recency.code_columns(name, group)]
    columns += [{"name": name, "kind": "bucket", "of": "context"} for name in codes]
    columns += [{"name": name, "kind": "string", "of": "context"} for name in context]
    columns += [{"name": name, "kind": "string", "of": "user"} for name in users if name != "user_id"]
    return columns + [{"name": name, "kind": "string", "of": "video"} for name in videos if name not in _NO_CATEGORIES]


def dense_groups(config: FeatureConfig) -> dict[str, list[str]]:
    """Return the dense columns by group, in order."""
    aggregates = {name: column_names(name, group) for name, group in config.groups.items()}
    return {"context": list(CONTEXT_DENSE), **aggregates}


def row_columns(
    config: FeatureConfig, users: Sequence[str], videos: Sequence[str], context: Sequence[str] = ()
) -> list[str]:
    """Return every column of a rows partition, in order."""
    categorical = [column["name"] for column in categorical_columns(config, users, videos, context)]
    dense = [column for group in dense_groups(config).values() for column in group]
    return list(dict.fromkeys([*KEYS, *categorical, *MEASURES, *LABELS, *EXPOSURE, *dense]))


def write_schema(
    out: Path, config: FeatureConfig, source: Mapping[str, Any], context: Sequence[str], lookback: int
) -> None:
    """Write `schema.json` and carry `source.json` along."""
    users = pl.read_parquet_schema(out / "users.parquet")
    videos = pl.read_parquet_schema(out / "videos.parquet")
    groups = dense_groups(config)
    # of the columns of recency, "not in the lookback" is a value, and another lookback gives it another meaning
    looked_back = {"lookback_days": lookback} if config.has_recency else {}
    schema = {
        "config": config.model_dump(mode="json"),
        "config_hash": hash_value(config.model_dump(mode="json") | looked_back),
        **looked_back,
        "timezone": source["timezone"],
        "keys": KEYS,
        "categorical": categorical_columns(config, list(users), list(videos), context),
        **({"context": list(context)} if context else {}),
        **({"traits": declared(source)} if declared(source) else {}),
        "dense": [column for columns in groups.values() for column in columns],
        "dense_groups": groups,
        "labels": LABELS,
        "measures": MEASURES,
        "exposure": EXPOSURE,
        "history": {
            "length": config.history_length,
            "fields": history.FIELDS,
            "codes": history.CODES,
            "feedback": history.FEEDBACK,
        },
        "duration_edges_ms": buckets.DURATION_EDGES_MS,
    }
    write_json(out / "schema.json", schema)
    write_json(out / "source.json", dict(source))
