"""`dwell tune` by params.yaml: what a search starts from is read there, and what it found is added there."""

from pathlib import Path

from tasks.config import FILE, Params, load_params, write_params
from tasks.core.errors import ConfigError
from tasks.core.layout import Workspace
from tasks.core.yaml_config import parse
from tasks.core.yaml_file import Place
from tasks.train.trees.config import TreesRecipe
from tasks.tune.config import TuningConfig
from tasks.tune.run import DefaultRecipe, Tuned
from tasks.tune.run import tune as search
from tasks.tune.write import with_found


def tune(workspace: Workspace, name: str, trials: int | None = None, jobs: int | None = None) -> Tuned:
    """Search the hyper-parameters of one recipe, or go on with a search.

    Args:
        workspace: with params.yaml and the table of a night.
        name: of the recipe.
        trials: instead of `tuning.trials`.
        jobs: instead of `tuning.jobs`.

    Raises:
        ConfigError: if there is no such recipe, or `tasks.tune.run.tune` says so; its other errors are the same.
    """
    params = load_params(workspace.params)
    changes = {key: value for key, value in (("trials", trials), ("jobs", jobs)) if value is not None}
    config = parse(TuningConfig, params.tuning.model_dump(exclude_unset=True) | changes, Place(FILE, ("tuning",)))
    return search(workspace, default_recipe(params, name), config)


def default_recipe(params: Params, name: str) -> DefaultRecipe:
    """Return a recipe of params.yaml as searches start from it.

    Raises:
        ConfigError: if there is no such recipe, or it is of trees.
    """
    recipe = params.recipe(name)
    if isinstance(recipe, TreesRecipe):
        raise ConfigError(f"{FILE}: recipe {name!r} is of trees, and a search is over networks: name one of those")
    return DefaultRecipe(name, params.recipes[name], recipe, params.training, params.evaluation)


def add_to_params(path: Path, tuned: Tuned) -> str:
    """Add the found recipe to params.yaml, or replace what an earlier search added; say what was done.

    Args:
        path: params.yaml.
        tuned: what `tune` returned.

    Raises:
        ConfigError: if the file would no longer be valid; it then is as it was.
    """
    found = tuned.found
    if found.best.index == 0:
        return f"{path}: nothing to add, {found.name} stays as it is"
    params, text = load_params(path), path.read_text(encoding="utf-8")
    text = with_found(text, found, params.recipes[found.name], params.training)
    write_params(path, text)
    name = found.tuned_name
    return f"{path}: added recipes.{name}; name it below nightly.recipes to try it against the champion"
