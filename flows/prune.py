"""`dwell prune` by params.yaml: what a search starts from is read there, and what it found is added there."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flows.tune import default_recipe
from tasks.config import Params, load_params, write_params
from tasks.core.layout import Workspace
from tasks.core.yaml_edit import Entry, one_line_each, with_entries
from tasks.prune.run import Pruned
from tasks.prune.run import prune as search


def prune(workspace: Workspace, name: str, most: int | None = None) -> Pruned:
    """Search the fields that one recipe can do without, or go on with a search, and write what was found below `tuned/`.

    Args:
        workspace: with params.yaml and the features and table of a night.
        name: of the recipe.
        most: fields to drop at most.

    Raises:
        ConfigError: if there is no such recipe, or `tasks.prune.run.prune` says so; its other errors are the same.
    """
    params = load_params(workspace.params)
    pruned = search(workspace, default_recipe(params, name), params.tuning, most)
    pruned.write()
    return pruned


def add_to_params(path: Path, pruned: Pruned) -> str:
    """Add the found recipe to params.yaml, or replace what an earlier search added; say what was done.

    Args:
        path: params.yaml.
        pruned: what `prune` returned.

    Raises:
        ConfigError: if the file would no longer be valid; it then is as it was.
    """
    if not pruned.found.dropped:
        return f"{path}: nothing to add, {pruned.name} stays as it is"
    entries = recipe_entries(load_params(path), pruned.name, pruned.pruned_name, pruned.block)
    write_params(path, with_entries(path.read_text(encoding="utf-8"), entries))
    return f"{path}: added recipes.{pruned.pruned_name}; name it below nightly.recipes to try it against the champion"


def recipe_entries(params: Params, name: str, new: str, block: Mapping[str, Any]) -> tuple[Entry, ...]:
    """Return the entries of params.yaml that add a recipe found from another one, fitted with the other's settings.

    Args:
        params: the file as it is.
        name: of the recipe it was found from; the new one stands behind it.
        new: its name.
        block: it, as the file spells it.
    """
    own = params.training.by_recipe.get(name)
    changed = None if own is None else own.model_dump(mode="json", exclude_unset=True)
    return (
        Entry(("recipes", new), one_line_each(block), after=name),
        Entry(("training", "by_recipe", new), changed or None),
    )
