"""dvc.yaml against the code: a stage depends on every module it can import, or a changed module would go unnoticed."""

import ast
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest
import yaml

from models.components import REGISTRIES
from models.recipe import Recipe
from tasks.core.imports import import_closure, imported, names_imported, source_file
from tasks.stages import STAGES
from tasks.train.code import recipe_files

REPOSITORY = Path(__file__).resolve().parents[1]
CORE = (
    "arithmetic",
    "cluster",
    "document",
    "errors",
    "files",
    "imports",
    "layout",
    "machine",
    "manifest",
    "memory",
    "names",
    "partition_cache",
    "processes",
    "remote",
    "remembered",
    "run_key",
    "settings",
    "system_errors",
    "temporaries",
    "timings",
    "torchrun",
    "traits",
    "yaml_config",
    "yaml_file",
)
PLUMBING = {"models.ranges", "tasks", "tasks.config", "tasks.core", *(f"tasks.core.{name}" for name in CORE)}
"""Modules that move bytes and words, not numbers; what they configure is tracked as parameters."""
CODE = "artifacts/code"
"""What the stage `code` writes: it changes with every module that a challenger runs."""

DVC = yaml.safe_load((REPOSITORY / "dvc.yaml").read_text())["stages"]


def closure(modules: Iterable[str]) -> dict[str, Path]:
    """Return the project's modules that some modules import, but for plumbing and registries of components."""
    return import_closure(modules, ("tasks", "models"), PLUMBING | REGISTRIES.keys())


def stage_modules(stage: str) -> set[str]:
    """Return what a stage's function imports, and the helpers in tasks/stages.py that it calls."""
    tree = ast.parse((REPOSITORY / "tasks/stages.py").read_text())
    functions = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
    names, todo = set[str](), [stage]
    while todo:
        name = todo.pop()
        if name in names:
            continue
        names.add(name)
        calls = [node.func for node in ast.walk(functions[name]) if isinstance(node, ast.Call)]
        todo += [call.id for call in calls if isinstance(call, ast.Name) and call.id in functions]
    return {module for name in names for module in names_imported(functions[name])}


def of_every_recipe() -> set[Path]:
    """Return the files that any two recipes share, however different: what a hash of `artifacts/code` always covers."""
    other = Recipe.model_validate(
        {
            "backbone": {"kind": "dcnv2"},
            "trunk": {"kind": "mmoe"},
            "head": {"kind": "wlr"},
            "objective": {"kind": "ips"},
            "balance": {"kind": "dwa"},
            "propensity": {"kind": "naive_bayes"},
        }
    )
    return set(recipe_files(Recipe()).values()) & set(recipe_files(other).values())


@pytest.mark.slow
@pytest.mark.parametrize("stage", list(STAGES))
def test_a_stage_depends_on_all_the_code_it_runs(stage: str) -> None:
    dependencies = [str(path) for path in DVC[stage]["deps"]]
    by_hash = of_every_recipe() if any(path.startswith(CODE) for path in dependencies) else set()
    uncovered = {
        file.relative_to(REPOSITORY).as_posix()
        for file in closure(stage_modules(stage)).values()
        if file not in by_hash
    }
    uncovered = {file for file in uncovered if not any(file == d or file.startswith(f"{d}/") for d in dependencies)}
    assert uncovered - {"models/__init__.py"} == set()


@pytest.mark.slow
def test_stages_that_run_no_model_do_not_load_torch() -> None:
    """Two seconds of every stage, each in a process of its own."""
    without = ("ingest", "validate", "features", "table", "champion", "gate")
    modules = {module for stage in without for module in stage_modules(stage) if source_file(module)}
    code = f"import importlib, sys\nfor name in {sorted(modules)}: importlib.import_module(name)\nprint('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert len(modules) > 10 and done.stdout == "False\n"


@pytest.mark.parametrize("stage", ["ingest", "validate", "features"])
def test_a_stage_that_makes_partitions_depends_on_their_cache(stage: str) -> None:
    """Other stages read what stands; only these change with how it is made and when it is re-used."""
    assert "tasks/core/partition_cache.py" in DVC[stage]["deps"]


@pytest.mark.parametrize("stage", list(STAGES))
def test_a_stage_that_looks_components_up_depends_on_those_it_can_find(stage: str) -> None:
    """A registry is left out of the closure: who reads one needs the code of the challengers, or of all components."""
    files = closure(stage_modules(stage)).values()
    names = {name for file in files for name in imported(file)}
    looked_up = {f"{module}.{name}" for module in REGISTRIES for name in CONSTANTS[module]} & names
    depends = [str(path) for path in DVC[stage]["deps"]]
    assert not looked_up or "models" in depends or any(path.startswith(CODE) for path in depends)


def test_the_gate_names_configurations_by_recipes_and_so_depends_on_their_code() -> None:
    assert CODE in DVC["gate"]["deps"]


def constants(module: str) -> set[str]:
    """Return the names of the dicts in a registry's module; nothing but them, imports and a type may stand there."""
    file = REPOSITORY.joinpath(*module.split("."), "__init__.py")
    found = set()
    for node in ast.parse(file.read_text()).body[1:]:
        assert isinstance(node, (ast.ImportFrom, ast.AnnAssign, ast.If)), f"{file}: line {node.lineno}"
        if isinstance(node, ast.AnnAssign):
            assert isinstance(node.value, ast.Dict) and isinstance(node.target, ast.Name)
            found.add(node.target.id)
        if isinstance(node, ast.If):
            assert ast.unparse(node.test) == "TYPE_CHECKING" and len(node.body) == len(node.orelse) == 1
    return found


CONSTANTS = {module: constants(module) for module in REGISTRIES}


def test_registries_hold_nothing_but_their_dict() -> None:
    assert all(len(names) == 1 for names in CONSTANTS.values())


def test_every_stage_of_the_graph_exists_and_every_stage_is_in_the_graph() -> None:
    assert set(DVC) == set(STAGES)
    for name, stage in DVC.items():
        command = f"python -m tasks {name}"
        assert stage["cmd"] in (command, f"{command} --recipe ${{item.recipe}}")
