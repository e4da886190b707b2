"""`dwell prune` by params.yaml: what a search starts from is read there, and what it found is added there."""

from pathlib import Path

from flows.tune import default_recipe
from tasks.config import load_params, write_params
from tasks.core.layout import Workspace
from tasks.core.yaml_edit import one_line_each, with_entry, without_entry
from tasks.prune.run import Pruned
from tasks.prune.run import prune as search


def prune(workspace: Workspace, name: str, most: int | None = None) -> Pruned:
    """Search the fields that one recipe can do without, or go on with a search.

    Args:
        workspace: with params.yaml and the features and table of a night.
        name: of the recipe.
        most: fields to drop at most.

    Raises:
        ConfigError: if there is no such recipe, or `tasks.prune.run.prune` says so; its other errors are the same.
    """
    params = load_params(workspace.params)
    return search(workspace, default_recipe(params, name), params.tuning, most)


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
    params, name = load_params(path), pruned.pruned_name
    text = path.read_text(encoding="utf-8")
    text = with_entry(text, ("recipes", name), one_line_each(pruned.block), after=pruned.name)
    own, place = params.training.by_recipe.get(pruned.name), ("training", "by_recipe", name)
    # Fitted with the settings of the recipe it came from, as the search did.
    changed = None if own is None else one_line_each({name: own.model_dump(mode="json", exclude_unset=True)})[name]
    text = with_entry(text, place, changed) if changed else without_entry(text, place)
    write_params(path, text)
    return f"{path}: added recipes.{name}; name it below nightly.recipes to try it against the champion"
