"""Recipes and training settings of the training tests."""

from typing import Any

from models.recipe import Recipe
from tasks.train.config import CalibrationConfig, TrainingConfig

TASKS: dict[str, Any] = {"watch_time": {}, "skip": {}, "long_view": {}, "hate": {"positive_floor": 100_000}}
RECIPE = Recipe.model_validate(
    {"tasks": TASKS, "encoder": {"kind": "packed", "embedding_dim": 4, "history": {"kind": "pooled"}}}
)

CANDIDATE = Recipe.model_validate(
    RECIPE.model_dump() | {"selection": {"kind": "candidate", "per_impression": 0.7}, "objective": {"kind": "dr_jl"}}
)
"""A recipe that learns from pairs that were not shown."""

RANKED = Recipe.model_validate(
    CANDIDATE.model_dump() | {"ranking": {"kind": "pairs", "weights": "gap", "estimand": "candidates"}}
)
"""The same with a term for the order inside a user's day, weighed by propensity."""

COMPRESSED = Recipe.model_validate(
    CANDIDATE.model_dump() | {"compression": {"kind": "mixed", "int8_row": 0.6, "fp16": 0.3}}
)
"""The same with tables in three formats."""

RECIPES = {"small": RECIPE, "compressed": COMPRESSED, "candidate": CANDIDATE, "ranking": RANKED}


def training(**changes: Any) -> TrainingConfig:
    """Return settings that fit the small night in about a second."""
    defaults = {
        "max_epochs": 3,
        "patience": 3,
        "batch_size": 128,
        "shard_rows": 400,
        "checkpoint_steps": 5,
        "learning_rate": 5e-3,
        "device": "cpu",
        "calibration": CalibrationConfig(min_rows=100, min_group_rows=40, groups=4, max_tre=1.0),
    }
    return TrainingConfig(**{**defaults, **changes})
