"""The table of traps names tests that exist, and every trap's test stands in it (docs/methods/metrics.md#traps)."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from tests.traps.twins import tells_apart

REPOSITORY = Path(__file__).resolve().parents[2]
PAGE = (REPOSITORY / "docs/methods/metrics.md").read_text()
ROW = re.compile(r"^\| (\d+) \| [^|]+ \| ([^|]+) \|$", re.MULTILINE)
NAMED = re.compile(r"`(tests/[\w/]+\.py)::(test_\w+)`")
TRAPS = 18


@cache
def functions_of(file: Path) -> set[str]:
    """Return the test functions of a file."""
    tree = ast.parse(file.read_text()) if file.is_file() else ast.Module([], [])
    return {of.name for of in tree.body if isinstance(of, ast.FunctionDef) and of.name.startswith("test_")}


def named(page: str) -> Iterator[tuple[int, str, str]]:
    """Yield trap, file and test of every test that the table names."""
    for trap, cell in ROW.findall(page[page.index("### Traps") :]):
        yield from ((int(trap), file, test) for file, test in NAMED.findall(cell))


def test_every_trap_has_its_row_and_every_row_a_test() -> None:
    def check(page: str) -> None:
        rows = ROW.findall(page[page.index("### Traps") :])
        assert [int(trap) for trap, _ in rows] == list(range(1, TRAPS + 1))
        assert all(NAMED.search(cell) for _, cell in rows)

    tells_apart(check, PAGE, PAGE.replace("::test_trap_17_", "::later_"), PAGE.replace("| 7 | uni", "| 8 | uni"))


def test_what_the_table_names_exists() -> None:
    def check(page: str) -> None:
        assert [(file, test) for _, file, test in named(page) if test not in functions_of(REPOSITORY / file)] == []

    tells_apart(check, PAGE, PAGE.replace("::test_trap_7_", "::test_trap_77_"))


def test_every_test_of_a_trap_stands_in_its_row() -> None:
    here = {
        (int(number[1]), str(file.relative_to(REPOSITORY)), test)
        for file in sorted((REPOSITORY / "tests/traps").glob("test_*.py"))
        for test in functions_of(file)
        if (number := re.match(r"test_trap_(\d+)_", test))
    }

    def check(page: str) -> None:
        assert here <= set(named(page))

    assert len(here) > 10
    tells_apart(check, PAGE, PAGE.replace("| 5 | a", "| 55 | a"))
