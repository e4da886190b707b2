"""The code of `models/` that a recipe runs, by name and by hash: what its fit depends on beside data and configuration.

A change to a head concerns the recipes that chose it, a change to the ranker all of them.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path

from pydantic import BaseModel

from models.components import REGISTRIES, components_of
from tasks.core.files import write_json, writing
from tasks.core.imports import PROJECT, import_closure
from tasks.core.manifest import source_hash

PACKAGES = ("table", "train", "predict")
"""Packages of `tasks/` that run models; the modules of `models/` that they import are part of every recipe."""


def recipe_code(*recipes: BaseModel) -> str:
    """Return one hash over the modules that the recipes run, and over what their kinds stand for."""
    files = {file for recipe in recipes for file in recipe_files(recipe).values()}
    return source_hash(files, component_names(*recipes))


def recipe_files(recipe: BaseModel) -> dict[str, Path]:
    """Return module -> file of everything in `models/` that a recipe runs.

    That is what the stages import from there, and the components it chose with all they import. Registries are left
    out: they import every component there is, and say only which class a kind stands for.
    """
    sources = (file for package in PACKAGES for file in sorted((PROJECT / "tasks" / package).rglob("*.py")))
    begin = [file.relative_to(PROJECT).with_suffix("").as_posix().replace("/", ".") for file in sources]
    chosen = [component.__module__ for component in components_of(recipe)]
    found = import_closure([*begin, *chosen], ("tasks", "models"), REGISTRIES)
    return {name: file for name, file in found.items() if name.split(".")[0] == "models"}


def write_code(models: Mapping[str, Iterable[BaseModel]], out: Path) -> tuple[str, ...]:
    """Write one file per model, which changes when the code does that the model runs; return their names.

    Args:
        models: name of a recipe or an ensemble -> the recipes it is made of.
        out: artifacts/code.
    """
    with writing(out) as folder:
        folder.mkdir(parents=True)
        for name, recipes in models.items():
            recipes = tuple(recipes)
            about = {"components": component_names(*recipes), "source": recipe_code(*recipes)}
            write_json(folder / f"{name}.json", about)
    return tuple(models)


def component_names(*recipes: BaseModel) -> list[str]:
    """Return the dotted names of all components of some recipes."""
    components = {component for recipe in recipes for component in components_of(recipe)}
    return sorted(f"{component.__module__}.{component.__qualname__}" for component in components)
