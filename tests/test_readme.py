"""The README and the pages that lead newcomers tell the truth: CI runs every command they print, and what is listed exists."""

import re
from collections.abc import Iterable
from pathlib import Path

import pytest

from models.backbones import BACKBONES
from models.balance import BALANCES
from models.encoders.history import HISTORIES
from models.heads import HEADS
from models.pretraining import PRETRAININGS
from models.propensity import PROPENSITIES
from models.ranking import RANKINGS
from models.trunks import TRUNKS

REPOSITORY = Path(__file__).resolve().parents[1]


def commands(page: str = "README.md") -> list[str]:
    return _commands((REPOSITORY / page).read_text())


def _commands(text: str) -> list[str]:
    blocks = re.findall(r"^```sh\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)
    lines = [line.split("  #")[0].strip() for block in blocks for line in block.splitlines()]
    return [line for line in lines if line]


@pytest.mark.parametrize("page", ["README.md", "docs/your_data.md", "docs/three_tasks.md"])
def test_ci_runs_every_command(page: str) -> None:
    run = (REPOSITORY / ".ci/run").read_text()
    stated = re.findall(r"^ *# README: (.*)$", (REPOSITORY / ".ci/readme").read_text(), flags=re.MULTILINE)
    missing = [command for command in commands(page) if command not in stated and f"step {command}\n" not in run]
    assert missing == []


@pytest.mark.parametrize(
    ("task", "most"), [("Own log to decision", 5), ("Own head to verdict", 4), ("A page at seven to the cause", 2)]
)
def test_a_task_takes_few_commands(task: str, most: int) -> None:
    page = (REPOSITORY / "docs/three_tasks.md").read_text()
    (section,) = re.findall(rf"^## {task}\n(.*?)(?=^## |\Z)", page, flags=re.MULTILINE | re.DOTALL)
    assert 0 < len(_commands(section)) <= most


def test_ci_calls_exactly_the_readmes_test_command() -> None:
    assert "make test" in commands()
    assert "step make test\n" in (REPOSITORY / ".ci/run").read_text()


@pytest.mark.parametrize(
    ("part", "registry"),
    [
        ("watch-time head", HEADS),
        ("backbone", BACKBONES),
        ("trunk", TRUNKS),
        ("loss balance", BALANCES),
        ("ranking term", RANKINGS),
        ("propensity", PROPENSITIES),
        ("pre-training", PRETRAININGS),
        ("history", HISTORIES),
    ],
)
def test_the_readme_lists_what_there_is(part: str, registry: Iterable[str]) -> None:
    (row,) = re.findall(rf"^\| {part} \| (.*) \|$", (REPOSITORY / "README.md").read_text(), flags=re.MULTILINE)
    assert set(re.findall("`([a-z0-9_]+)`", row)) == set(registry)
