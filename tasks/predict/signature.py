"""What an exported model reads and returns, for those who run it without dwell."""

from collections.abc import Sequence
from typing import Any

from tasks.core.predictions import MEAN, MEAN_UNIFORM, MEDIAN, SCORE, task_of
from tasks.table.preprocessor import DURATION_BUCKET, HISTORY_CODES, Preprocessor

FILE = "signature.json"
LEVELS = "levels.parquet"
"""Levels of the categorical fields of a network: `field` and `key`, in the order of their rows."""
_MEANINGS = {
    SCORE: "orders videos",
    MEAN: "expected watch time, seconds",
    MEDIAN: "median watch time, seconds",
    MEAN_UNIFORM: "expected watch time were videos shown at random, seconds",
}


def numbers(preprocessor: Preprocessor) -> list[dict[str, Any]]:
    """Return what makes each dense input: (value - mean) / scale, clipped to +-clip, 0 where the value is missing."""
    normalisation = preprocessor.normalisation
    return [
        {"name": name, "kind": "number", "mean": float(mean), "scale": float(scale), "clip": normalisation.clip}
        | _marked(name, preprocessor)
        for name, mean, scale in zip(normalisation.names, normalisation.mean, normalisation.scale, strict=True)
    ]


def fields(preprocessor: Preprocessor) -> dict[str, dict[str, Any]]:
    """Return what makes each categorical input, without its levels: 0 is unknown, and a code within the field counts from 1.

    Kind "level": 1 + the place of the value among the levels. Kind "bucket": 1 + the number of edges not above the duration
    in seconds. Kind "item": what the video's code of that level looks up in the scheme of `items/`
    (docs/methods/representation.md#embedding-schemes).
    """
    made: dict[str, dict[str, Any]] = {
        v.field: {"name": v.field, "kind": "level"} | _marked(v.field, preprocessor) for v in preprocessor.vocabularies
    }
    edges = preprocessor.duration_edges_s.tolist()
    made[DURATION_BUCKET] = {"name": DURATION_BUCKET, "kind": "bucket", "edges": edges}
    if preprocessor.items is not None:
        for level, (name, _) in enumerate(preprocessor.items.fields, start=1):
            made[name] = {"name": name, "kind": "item", "level": level}
    return made


def _marked(name: str, preprocessor: Preprocessor) -> dict[str, Any]:
    """Return the mark of a sensitive attribute of users."""
    return {"sensitive": True} if name in preprocessor.sensitive else {}


def network_inputs(preprocessor: Preprocessor, *, with_history: bool) -> dict[str, Any]:
    """Return the arguments of a network's program, in order.

    Args:
        preprocessor: encodes its rows.
        with_history: whether it reads past events.
    """
    schema = preprocessor.schema
    made = fields(preprocessor)
    offsets = dict(zip((name for name, _ in schema.fields), schema.offsets, strict=True))
    inputs: dict[str, Any] = {
        "ids": [made[name] | {"offset": offset} for name, offset in offsets.items()],
        "dense": numbers(preprocessor),
        "duration_s": "seconds",
        "history": None,
    }
    if with_history:
        inputs["history"] = {
            "length": schema.history_length,
            "fields": [
                {"name": name, "offset": offsets[name]} | (made[name] if made[name]["kind"] == "item" else {})
                for name in schema.history_fields
            ],
            "codes": list(HISTORY_CODES.values()),
        }
    return inputs


def outputs(names: Sequence[str]) -> dict[str, str]:
    """Return what each output of a program means."""
    return {name: _MEANINGS.get(name) or f"probability of {task_of(name)}" for name in names}
