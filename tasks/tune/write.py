"""Adds a found recipe to params.yaml."""

from pathlib import Path

from tasks.config import load_params
from tasks.core.files import writing
from tasks.tune.run import Tuned
from tasks.tune.yaml_edit import one_line_each, with_entry, without_entry


def add_to_params(path: Path, tuned: Tuned) -> str:
    """Add the found recipe to params.yaml, or replace what an earlier search added; say what was done.

    Comments and everything else there stay.

    Args:
        path: params.yaml.
        tuned: what `tune` returned.

    Raises:
        ConfigError: if the file would no longer be valid; it then is as it was.
    """
    found = tuned.found
    if found.best.index == 0:
        return f"{path}: nothing to add, {found.name} stays as it is"
    params, text, name = load_params(path), path.read_text(encoding="utf-8"), found.tuned_name
    blocks = found.blocks(params.recipes[found.name], params.training)
    text = with_entry(text, ("recipes", name), one_line_each(blocks["recipes"][name]), after=found.name)
    place = ("training", "by_recipe", name)
    changed = blocks.get("training", {}).get("by_recipe")
    text = with_entry(text, place, one_line_each(changed)[name]) if changed else without_entry(text, place)
    with writing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
        load_params(temporary)
    return f"{path}: added recipes.{name}; name it below nightly.recipes to try it against the champion"
