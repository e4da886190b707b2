"""Cells run as in a notebook: one namespace, and what each shows below it."""

import re
from pathlib import Path

import pytest

from manual.cells import cells, notebook, notebook_page
from manual.places import REPOSITORY

SCRIPT = """# %% [markdown]
# # A title
#
# Text.

# %%
x = 2
print("printed")
x + 1

# %%
x = x * 10

# %%
x
"""


@pytest.fixture
def script(tmp_path: Path) -> Path:
    path = tmp_path / "script.py"
    path.write_text(SCRIPT)
    return path


def test_a_cell_shows_what_it_prints_and_its_last_value(script: Path) -> None:
    made = notebook(script)
    assert [cell["cell_type"] for cell in made["cells"]] == ["markdown", "code", "code", "code"]
    assert made["cells"][0]["source"] == "# A title\n\nText."
    shown = ["".join(output["text"] for output in cell["outputs"]) for cell in made["cells"][1:]]
    assert shown == ["printed\n3\n", "", "20\n"]


def test_a_page_has_text_code_and_what_was_shown(script: Path) -> None:
    page = notebook_page(notebook(script))
    assert page.startswith("# A title\n\nText.\n\n~~~~python\nx = 2\n")
    assert "~~~~text\nprinted\n3\n~~~~" in page and page.count("~~~~text") == 2


def test_an_error_names_the_line_of_the_file(script: Path) -> None:
    script.write_text(SCRIPT + "\n# %%\n1 / 0\n")
    with pytest.raises(ZeroDivisionError) as caught:
        notebook(script)
    assert (caught.traceback[-1].path, caught.traceback[-1].lineno + 1) == (script, SCRIPT.count("\n") + 3)


def test_what_stands_before_the_first_cell_is_refused() -> None:
    with pytest.raises(ValueError, match="begins with a line '# %%'"):
        list(cells("x = 1\n# %%\n"))


def test_the_tour_goes_from_the_simulator_to_an_explanation() -> None:
    tour = list(cells((REPOSITORY / "examples/tour.py").read_text(encoding="utf-8")))
    code = "\n".join(cell.source for cell in tour if not cell.is_text)
    order = [
        code.index(word) for word in ("simulator", '"features"', '"train"', "compare_named(", ".predict(", ".explain(")
    ]
    assert order == sorted(order)
    assert re.fullmatch(r"# .+", tour[0].source.splitlines()[0])
