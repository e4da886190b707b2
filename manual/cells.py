"""Run a script of cells (`# %%`) as a notebook does, and keep what each cell shows.

python -m manual.cells examples/tour.py tour.ipynb

The cells run one after the other in one namespace. What a cell shows is what it prints and, if it ends in an expression, the
value of that, as an interactive Python writes it. No kernel is needed, so nothing of Jupyter is a dependency; the file written
is a notebook (format 4.5) that Jupyter opens.
"""

import ast
import contextlib
import io
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tasks.core.files import write_json

_MARK = re.compile(r"^# %%(.*)\n", re.MULTILINE)


@dataclass(frozen=True)
class Cell:
    """A cell.

    Attributes:
        is_text: whether it is Markdown.
        source: its text, or its code.
        line: of the file on which its source begins.
    """

    is_text: bool
    source: str
    line: int


def cells(script: str) -> Iterator[Cell]:
    """Yield the cells of a script.

    Args:
        script: in the percent format: `# %%` begins code, `# %% [markdown]` comment lines that are text.

    Raises:
        ValueError: if anything stands before the first cell.
    """
    marks = list(_MARK.finditer(script))
    if not marks or script[: marks[0].start()].strip():
        raise ValueError("a script of cells begins with a line '# %%'")
    for mark, end in zip(marks, [*(later.start() for later in marks[1:]), len(script)], strict=True):
        source = script[mark.end() : end].strip("\n")
        is_text = "[markdown]" in mark[1]
        if is_text:
            source = re.sub(r"^# ?", "", source, flags=re.MULTILINE)
        yield Cell(is_text, source, script.count("\n", 0, mark.end()) + 1)


def run(code: str, line: int, path: str, namespace: dict[str, Any]) -> str:
    """Run the code of one cell and return what it shows.

    Args:
        code: of the cell.
        line: on which it begins in the file; errors name the lines of the file.
        path: of the file.
        namespace: of all cells; changed in place.
    """
    tree = ast.increment_lineno(ast.parse(code, path), line - 1)
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    with contextlib.redirect_stdout(io.StringIO()) as shown:
        exec(compile(tree, path, "exec"), namespace)
        if isinstance(last, ast.Expr):
            value = eval(compile(ast.Expression(last.value), path, "eval"), namespace)
            if value is not None:
                print(repr(value))
    return shown.getvalue()


def notebook(path: Path) -> dict[str, Any]:
    """Run a script of cells and return it as a notebook with what every cell has shown.

    Raises:
        Exception: as a cell raises it.
    """
    namespace: dict[str, Any] = {"__name__": "__main__", "__file__": str(path)}
    made = list[dict[str, Any]]()
    for number, cell in enumerate(cells(path.read_text(encoding="utf-8"))):
        common = {"id": f"cell-{number}", "metadata": {}, "source": cell.source}
        if cell.is_text:
            made.append({"cell_type": "markdown", **common})
            continue
        text = run(cell.source, cell.line, str(path), namespace)
        outputs = [{"output_type": "stream", "name": "stdout", "text": text}] if text else []
        made.append({"cell_type": "code", "execution_count": None, "outputs": outputs, **common})
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    return {"cells": made, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}


def notebook_page(made: dict[str, Any]) -> str:
    """Return a notebook as Markdown: its text, its code, and what each cell has shown."""
    parts = list[str]()
    for cell in made["cells"]:
        if cell["cell_type"] == "markdown":
            parts.append(cell["source"])
            continue
        parts.append(f"~~~~python\n{cell['source']}\n~~~~")
        parts += [f"~~~~text\n{output['text'].rstrip()}\n~~~~" for output in cell["outputs"]]
    return "\n\n".join(parts) + "\n"


if __name__ == "__main__":
    write_json(Path(sys.argv[2]), notebook(Path(sys.argv[1])))
