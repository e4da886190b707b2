"""Reference pages are complete: what the code has is on them, once, as the code has it."""

import re
from functools import cache

import pytest
from pydantic import BaseModel
from typer.testing import CliRunner

from flows.cli import app
from manual.commands import commands_page
from manual.contract import contract_page
from manual.keys import anchor, keys_page
from manual.messages import messages, messages_page
from models.heads import HEADS
from models.trunks import TRUNKS
from tasks.config import Params
from tasks.core.contract import MARKS, TABLES


@cache
def params_page() -> str:
    return keys_page("params")


@cache
def recipe_page() -> str:
    return keys_page("recipe")


def section(page: str, heading: str) -> str:
    (found,) = re.findall(rf"^## {re.escape(heading)}\n(.*?)(?=^## |\Z)", page, re.MULTILINE | re.DOTALL)
    return found


def rows(text: str) -> dict[str, list[str]]:
    cells = [re.split(r"(?<!\\) \| ", line.strip("| ")) for line in text.splitlines() if line.startswith("| `")]
    return {row[0].strip("`"): row[1:] for row in cells}


def blocks(model: type[BaseModel]) -> dict[str, type[BaseModel]]:
    """Return the keys of a model whose values are blocks of one class."""
    return {
        name: field.annotation
        for name, field in model.model_fields.items()
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)
    }


def test_every_command_has_a_section_with_what_its_help_says() -> None:
    page = commands_page()
    assert re.findall("^## dwell (.+)$", page, re.MULTILINE) == [
        command.name or command.callback.__name__ for command in app.registered_commands
    ]
    options = rows(section(page, "dwell nightly"))
    assert "With --no-publish: recipes and ensembles to judge, a,b." in options["--recipes <str>"][0]
    helped = " ".join(CliRunner().invoke(app, ["nightly", "--help"]).output.split())
    assert all(name.split()[0] in helped for name in options)


def test_every_key_of_every_block_has_a_row_with_its_default() -> None:
    page = params_page()
    headings = {re.sub(r" \(kind: .*\)", "", text): text for text in re.findall("^## (.+)$", page, re.MULTILINE)}
    waiting: list[tuple[str, type[BaseModel]]] = [("", Params)]
    met, described, numbers = set(), set(), 0
    while waiting:
        place, model = waiting.pop()
        met.add(model)
        waiting += [(f"{place}.{name}".lstrip("."), block) for name, block in blocks(model).items()]
        if (heading := headings.get(place or "Top level")) is None:
            continue
        described.add(model)
        found = rows(section(page, heading))
        assert list(found) == [field.alias or name for name, field in model.model_fields.items() if name != "kind"]
        for name, field in model.model_fields.items():
            if type(field.default) in (int, float):
                assert found[field.alias or name][1] == f"`{field.default}`", (place, name)
                numbers += 1
    assert met == described and len(met) > 15 and numbers > 30


@pytest.mark.slow
def test_every_key_says_what_it_means() -> None:
    for page in (params_page(), recipe_page()):
        found = [line for line in page.splitlines() if line.startswith("| `")]
        assert len(found) > 200
        assert [line for line in found if line.endswith("|  |")] == [], "a docstring below the key says it"
    assert "The whole of" not in "".join(line for line in params_page().splitlines() if line.startswith("|"))


def test_a_row_says_type_bounds_default_and_meaning() -> None:
    found = rows(section(params_page(), "nightly"))
    assert found["stage_retries"] == [
        "integer ≥ 0, ≤ 20",
        "`1`",
        "how often a failed stage is tried again; errors in the data or the configuration are not retried",
    ]
    assert found["recipes"][1] == "*required*"
    assert rows(section(params_page(), "window"))["accepted_gaps"][1] == "`{}`", "a default that code makes"


@pytest.mark.slow
def test_every_kind_of_a_recipe_has_a_section() -> None:
    headings = re.findall("^## (.+)$", recipe_page(), re.MULTILINE)
    assert len(headings) == len(set(headings))
    for part, registry in (("head", HEADS), ("trunk", TRUNKS)):
        named = {
            match[1] for text in headings if (match := re.fullmatch(rf"recipes\.NAME\.{part} \(kind: (\w+)\)", text))
        }
        assert named == set(registry)


@pytest.mark.slow
def test_links_between_blocks_lead_to_their_headings() -> None:
    for page in (params_page(), recipe_page()):
        links = set(re.findall(r"\]\(#([^)]+)\)", page))
        assert links and links <= {anchor(text) for text in re.findall("^## (.+)$", page, re.MULTILINE)}


def test_the_contract_has_all_its_columns() -> None:
    page = contract_page()
    for name, columns in TABLES.items():
        assert list(rows(section(page, name))) == [column.name for column in (*columns, *MARKS[name])]


def test_messages_are_those_that_are_raised() -> None:
    templates = {message.template for message in messages()}
    assert len(templates) > 200
    assert "…: … stands twice" not in templates
    assert "a forced promotion needs a reason: say why the gate is overruled" in templates
    assert "night … needs at least 2 fit days up to …, but the source begins on …: choose as_of … or later" in templates
    page = messages_page()
    assert all(f"`` {' '.join(template.split())} ``".replace("|", "\\|") in page for template in templates)
