"""A recipe that reads one field less."""

import copy
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from models.attribution.fields import GROUPED, SENSITIVE
from models.encoders.pretrained import PRETRAINED
from models.objectives import OBJECTIVES
from models.recipe import Recipe
from tasks.core.errors import ConfigError, TrainingError
from tasks.tune.result import put

HISTORY, MATCHES = "history", "matches"
"""Fields that are parts of the encoder; but for those of vectors learned before the fit, all others are set apart."""


class StillNeeded(TrainingError):
    """A part of the recipe asks for the field by name."""


def refuse_if_set_apart_is_read(name: str, recipe: Recipe) -> None:
    """Refuse a recipe in which a field that is set apart is not gone, but read by other towers.

    Raises:
        ConfigError: if its objective is of that kind.
    """
    if OBJECTIVES[recipe.objective.kind].second_reads == "apart":
        raise ConfigError(
            f"recipe {name!r}: its objective {recipe.objective.kind!r} reads what set_apart names, and pruning sets fields "
            "apart: prune a recipe with another objective"
        )


def without(recipe: Recipe, fields: Sequence[str], groups: Mapping[str, Sequence[str]]) -> Recipe:
    """Return a recipe whose tasks do not read some fields.

    Args:
        recipe: the recipe as it is.
        fields: names of `models.attribution.fields.FieldLayout`.
        groups: dense features of every group.

    Raises:
        StillNeeded: if a part of the recipe names one of them.
    """
    document = recipe.model_dump(mode="json")
    for path, value in changes(document, fields, groups).items():
        put(document, document, path.split("."), value)
    try:
        return Recipe.model_validate(document)
    except ValidationError as error:
        raise StillNeeded("; ".join(item["msg"] for item in error.errors())) from error


def spelled_without(
    spelled: Mapping[str, Any], recipe: Recipe, fields: Sequence[str], groups: Mapping[str, Sequence[str]]
) -> dict[str, Any]:
    """Return the block of `params.yaml` that spells `without`; what does not change is spelled as it was.

    Args:
        spelled: the block of the recipe as it is.
        recipe: the same, checked.
        fields: as in `without`.
        groups: as in `without`.
    """
    document, block = recipe.model_dump(mode="json"), copy.deepcopy(dict(spelled))
    for path, value in changes(document, fields, groups).items():
        put(block, document, path.split("."), value)
    return block


def changes(document: Mapping[str, Any], fields: Sequence[str], groups: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """Return path -> value of what keeps some fields from the tasks; see `without`."""
    apart: list[str] = []
    found: dict[str, Any] = {}
    if gone := [field.removeprefix(SENSITIVE) for field in fields if field.startswith(SENSITIVE)]:
        found["traits"] = [name for name in document["traits"] if name not in gone]
    for field in fields:
        if field == HISTORY:
            found["encoder.history"] = {"kind": "none"}
        elif field == MATCHES:
            found["encoder.matches"] = None
        elif field in PRETRAINED.values():
            found["pretraining"] = None
        elif not field.startswith(SENSITIVE):
            apart += groups[field.removeprefix(GROUPED)] if field.startswith(GROUPED) else [field]
    return found | ({"set_apart": [*document["set_apart"], *apart]} if apart else {})
