"""Every example is listed; its commands exist and CI gives them; the patches apply and are what CONTRIBUTING works out."""

import importlib.util
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from flows.cli import app
from manual.places import REPOSITORY
from tests.flows.small_night import make_workspace, small_params

HEAD, FEATURE = "own_head.patch", "own_feature.patch"
EXAMPLES = REPOSITORY / "examples"
SCRIPTS = sorted(EXAMPLES.glob("*.sh"))
NEW_HEAD = """
from pathlib import Path

import torch

from models.heads import HEADS
from tasks.config import load_params

recipe = load_params(Path("params.yaml")).recipe("log_cosh")
head = HEADS[recipe.head.kind](recipe.head, {"scale": 20.0})
gap_B = torch.tensor([0.0, 0.5, -3.0])
losses_B = head.row_loss(gap_B, torch.zeros(3))
print(torch.allclose(losses_B, gap_B.cosh().log(), atol=1e-6))
"""
NEW_FEATURE = """
import polars as pl

from tasks.features.config import FeatureConfig
from tasks.features.join import _with_context
from tasks.features.schema import CONTEXT_DENSE

days = pl.datetime_range(pl.datetime(2026, 1, 5), pl.datetime(2026, 1, 11), "1d", eager=True)  # Monday to Sunday
rows = pl.LazyFrame({"event_time_ms": days.dt.epoch("ms")}).with_columns(
    known_at_ms="event_time_ms", upload_time_ms="event_time_ms", duration_ms=pl.lit(1_000)
)
weekend = _with_context(rows, FeatureConfig(), "UTC").collect()["weekend"]
print("weekend" in CONTEXT_DENSE and weekend.to_list() == [0, 0, 0, 0, 0, 1, 1])
"""


def listed() -> dict[str, str]:
    """Return example -> the command that its row of the table gives."""
    readme = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    return dict(re.findall(r"^\|[^|]+\| \[\w+\.\w+\]\((\w+\.\w+)\) \|[^|]+\| `(.+)` \|$", readme, re.MULTILINE))


def unknown(text: str) -> Iterator[str]:
    """Yield what is wrong with the commands of dwell and Python modules that some lines give."""
    commands: Any = typer.main.get_command(app)
    for line in text.splitlines():
        words = shlex.split(line, comments=True)
        if words[:1] == ["dwell"]:
            command = commands.commands.get(words[1])
            known = (
                {option for one in command.params for option in (*one.opts, *one.secondary_opts)} if command else set()
            )
            lacking = [word for word in words[2:] if word.startswith("--") and word not in known]
            if command is None or (lacking and words[1] != "prefect"):
                yield line
        elif words[:2] == ["python", "-m"] and importlib.util.find_spec(words[2]) is None:
            yield line


def test_every_example_is_listed_and_its_command_names_it() -> None:
    files = {path.name for path in EXAMPLES.iterdir() if path.is_file()} - {"README.md", "tour.py"}
    assert listed().keys() == files
    for name, command in listed().items():
        assert f"examples/{name}" in command
        assert list(unknown("\n".join(command.split(" && ")))) == []


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.name)
def test_a_script_gives_commands_that_there_are_and_ci_runs_it(script: Path) -> None:
    text = script.read_text(encoding="utf-8")
    assert text.count("\ndwell ") >= 3
    assert list(unknown(re.sub(r"<<'PYTHON'.*?\nPYTHON\n", "\n", text, flags=re.DOTALL))) == []
    assert subprocess.run(["bash", "-n", script], check=False).returncode == 0 and script.stat().st_mode & 0o100
    ci = (REPOSITORY / ".ci/readme").read_text(encoding="utf-8")
    assert re.search(rf'^(?!#).*"\$root/examples/{script.name}"', ci, re.MULTILINE)


def test_commands_that_there_are_not_are_found() -> None:
    lines = [
        "dwell fly --far",
        "dwell push --far",
        "python -m benchmarks.nothing",
        "dwell push  # --far",
        "  dwell pull",
    ]
    assert list(unknown("\n".join(lines))) == lines[:3]


def added(diff: str, file: str) -> list[str]:
    """Return the lines that a diff adds to a file, empty ones left out."""
    pattern = rf"^\+\+\+ (?:b/)?{re.escape(file)}\n(.*?)(?=^(?:diff|\+\+\+) |\Z)"
    (part,) = re.findall(pattern, diff, re.MULTILINE | re.DOTALL)
    return [line[1:] for line in part.splitlines() if line.startswith("+") and line[1:].strip()]


@pytest.mark.parametrize(
    ("patch", "heading", "files"),
    [
        (HEAD, "A head", ["models/heads/log_cosh.py", "models/heads/__init__.py"]),
        (FEATURE, "A dense column", ["tasks/features/join.py", "tasks/features/schema.py"]),
    ],
)
def test_a_patch_is_what_contributing_works_out(patch: str, heading: str, files: list[str]) -> None:
    text = (REPOSITORY / "CONTRIBUTING.md").read_text(encoding="utf-8")
    (worked,) = re.findall(rf"^### {heading}\n.*?```diff\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    for file in files:
        shown, whole = added(worked, file), added((REPOSITORY / "examples" / patch).read_text(encoding="utf-8"), file)
        assert shown and [line for line in whole if line in shown] == shown


@pytest.mark.slow
@pytest.mark.parametrize(("patch", "code"), [(HEAD, NEW_HEAD), (FEATURE, NEW_FEATURE)])
def test_a_patch_applies_and_does_what_it_says(tmp_path: Path, patch: str, code: str) -> None:
    root = make_workspace(tmp_path / "w", small_params())
    (root / "params.yaml").write_bytes((REPOSITORY / "params.yaml").read_bytes())
    subprocess.run(["git", "apply", REPOSITORY / "examples" / patch], cwd=root, check=True)
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=root, env={"PYTHONPATH": "."}, capture_output=True, text=True, check=False)
    assert done.stdout == "True\n", done.stderr
