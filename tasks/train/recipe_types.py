"""What a recipe of `params.yaml` is: a network, or boosted trees. Imports no torch until a network has to be checked."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tasks.core.yaml_config import Problem, problems_of
from tasks.core.yaml_file import Place
from tasks.train.trees.config import TreesRecipe

if TYPE_CHECKING:
    from models.recipe import Recipe

    AnyRecipe = Recipe | TreesRecipe


def recipe_problems(recipes: Mapping[str, Any], place: Place) -> list[Problem]:
    """Return one problem for every wrong key or value of every recipe.

    Args:
        recipes: name -> what the file holds.
        place: of the whole configuration.
    """
    return [
        problem
        for name, value in recipes.items()
        for problem in problems_of(recipe_type(value), value, place.below("recipes", name))
    ]


def recipe_type(value: Any) -> "type[AnyRecipe]":
    """Return what a recipe must be: one with a `kind` is of trees, all others are of networks."""
    if is_trees(value):
        return TreesRecipe
    from models.recipe import Recipe  # imports torch, which most stages do not need

    return Recipe


def is_trees(value: Any) -> bool:
    """Tell whether a recipe, as the file has it, is of trees."""
    return isinstance(value, Mapping) and "kind" in value
