"""Adds a found recipe to the text of params.yaml."""

from collections.abc import Mapping
from typing import Any

from tasks.core.yaml_edit import one_line_each, with_entry, without_entry
from tasks.train.config import TrainingConfig
from tasks.tune.result import SearchOutcome


def with_found(text: str, found: SearchOutcome, spelled: Mapping[str, Any], shared: TrainingConfig) -> str:
    """Return the text with the found recipe added, or in the place of what an earlier search added.

    Comments and everything else there stay.

    Args:
        text: params.yaml.
        found: what the search found, another recipe than the one as it is.
        spelled: the recipe as the text spells it.
        shared: the training settings of all recipes there.
    """
    name, blocks = found.tuned_name, found.blocks(spelled, shared)
    text = with_entry(text, ("recipes", name), one_line_each(blocks["recipes"][name]), after=found.name)
    place = ("training", "by_recipe", name)
    changed = blocks.get("training", {}).get("by_recipe")
    return with_entry(text, place, one_line_each(changed)[name]) if changed else without_entry(text, place)
