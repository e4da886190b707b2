"""dvc.yaml against the code: a stage depends on every module it can import, or a changed module would go unnoticed."""

import ast
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
import yaml

from tasks.stages import STAGES

REPOSITORY = Path(__file__).resolve().parents[1]
PLUMBING = {f"tasks/core/{name}.py" for name in ("__init__", "errors", "files", "layout", "manifest", "settings")}
PLUMBING |= {"tasks/__init__.py", "tasks/config.py"}
"""Modules that move bytes and words, not numbers; what they configure is tracked as parameters."""

DVC = yaml.safe_load((REPOSITORY / "dvc.yaml").read_text())["stages"]


def source_file(module: str) -> Path | None:
    path = REPOSITORY.joinpath(*module.split("."))
    found = [path / "__init__.py", path.with_suffix(".py")]
    return next((file for file in found if file.exists()), None)


def imported(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
        return
    if isinstance(node, ast.ImportFrom) and node.module:
        yield node.module
        yield from (f"{node.module}.{alias.name}" for alias in node.names)
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    for child in ast.iter_child_nodes(node):
        yield from imported(child)


def closure(modules: Iterable[str]) -> set[str]:
    """Return the project's files that the modules import, directly or not."""
    files: set[Path] = set()
    todo = list(modules)
    while todo:
        module = todo.pop()
        file = source_file(module) if module.split(".")[0] in ("tasks", "models") else None
        if file is None or file in files or file.relative_to(REPOSITORY).as_posix() in PLUMBING:
            continue
        files.add(file)
        todo += [module.rsplit(".", 1)[0], *imported(ast.parse(file.read_text()))]
    return {file.relative_to(REPOSITORY).as_posix() for file in files}


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
    return {module for name in names for module in imported(functions[name])}


@pytest.mark.slow
@pytest.mark.parametrize("stage", list(STAGES))
def test_a_stage_depends_on_all_the_code_it_runs(stage: str) -> None:
    dependencies = [str(path) for path in DVC[stage]["deps"]]
    uncovered = {
        file
        for file in closure(stage_modules(stage))
        if not any(file == d or file.startswith(f"{d}/") for d in dependencies)
    }
    assert uncovered - {"models/__init__.py"} == set()


def test_every_stage_of_the_graph_exists_and_every_stage_is_in_the_graph() -> None:
    assert set(DVC) == set(STAGES)
    for name, stage in DVC.items():
        command = f"python -m tasks {name}"
        assert stage["cmd"] in (command, f"{command} --recipe ${{item.recipe}}")
