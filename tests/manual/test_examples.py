"""The patches of `examples` apply to the code as it stands, and are what CONTRIBUTING works out."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from manual.places import REPOSITORY
from tests.flows.small_night import make_workspace, small_params

PATCH = REPOSITORY / "examples/own_head.patch"


def added(diff: str, file: str) -> list[str]:
    """Return the lines that a diff adds to a file, empty ones left out."""
    (part,) = re.findall(
        rf"^\+\+\+ (?:b/)?{re.escape(file)}\n(.*?)(?=^(?:diff|\+\+\+) |\Z)", diff, re.MULTILINE | re.DOTALL
    )
    return [line[1:] for line in part.splitlines() if line.startswith("+") and line[1:].strip()]


def test_the_patch_is_the_head_that_contributing_works_out() -> None:
    text = (REPOSITORY / "CONTRIBUTING.md").read_text(encoding="utf-8")
    (worked,) = re.findall(r"^### A head\n.*?```diff\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    patch = PATCH.read_text(encoding="utf-8")
    for file in ("models/heads/log_cosh.py", "models/heads/__init__.py"):
        shown, whole = added(worked, file), added(patch, file)
        assert shown and [line for line in whole if line in shown] == shown


def test_the_patch_applies_to_the_repository() -> None:
    done = subprocess.run(
        ["git", "apply", "--check", str(PATCH)], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_the_recipe_of_the_patch_is_read_where_it_is_applied(tmp_path: Path) -> None:
    root = make_workspace(tmp_path / "w", small_params())
    (root / "params.yaml").write_bytes((REPOSITORY / "params.yaml").read_bytes())
    code = "from pathlib import Path; from tasks.config import load_params; print(load_params(Path('params.yaml')).recipe('log_cosh').head.kind)"

    def asked() -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", code], cwd=root, env={"PYTHONPATH": "."}, capture_output=True, text=True
        )

    assert "unknown recipe 'log_cosh'" in asked().stderr
    subprocess.run(["git", "apply", str(PATCH)], cwd=root, check=True)
    assert asked().stdout == "vr_log_cosh\n"
