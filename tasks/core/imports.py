"""What a module imports, directly or not, read from the source: nothing is run."""

import ast
from collections.abc import Collection, Iterable, Iterator
from functools import cache
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]


def import_closure(
    modules: Iterable[str], packages: Collection[str], leave_out: Collection[str] = ()
) -> dict[str, Path]:
    """Return module -> file of the project's modules that some modules import, themselves included.

    Args:
        modules: dotted names to begin with.
        packages: first names of the modules that are followed, for example "models".
        leave_out: modules that are neither returned nor followed.
    """
    found: dict[str, Path] = {}
    todo = list(modules)
    while todo:
        name = todo.pop()
        file = source_file(name) if name.split(".")[0] in packages else None
        if file is None or name in found or name in leave_out:
            continue
        found[name] = file
        todo += [name.rpartition(".")[0], *imported(file)]
    return found


@cache
def source_file(module: str) -> Path | None:
    """Return the file of a module or package of the project; None where there is none."""
    path = PROJECT.joinpath(*module.split("."))
    return next((file for file in (path / "__init__.py", path.with_suffix(".py")) if module and file.is_file()), None)


@cache
def imported(file: Path) -> tuple[str, ...]:
    """Return the dotted names a file imports anywhere, but for those that only a type checker sees.

    Of `from a import b` both `a` and `a.b` are returned, for `b` may be a module.
    """
    return tuple(dict.fromkeys(names_imported(ast.parse(file.read_bytes()))))


def names_imported(node: ast.AST) -> Iterator[str]:
    """Yield the dotted names that a piece of source imports, as `imported` says."""
    if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
        for branch in node.orelse:
            yield from names_imported(branch)
        return
    if isinstance(node, ast.ImportFrom) and node.module:
        yield node.module
        yield from (f"{node.module}.{alias.name}" for alias in node.names)
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    for child in ast.iter_child_nodes(node):
        yield from names_imported(child)
