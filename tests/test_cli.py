"""What every command line answers."""

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from typer.testing import CliRunner

from flows.cli import app

REPOSITORY = Path(__file__).resolve().parents[1]


def test_the_version_is_that_of_the_package() -> None:
    version = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]["version"]
    done = CliRunner().invoke(app, ["--version"])
    assert (done.exit_code, done.output) == (0, f"dwell {version}\n")


@pytest.mark.slow
def test_a_shell_gets_completions_and_its_folder_stays_empty(tmp_path: Path) -> None:
    shell = {"_DWELL_COMPLETE": "complete_bash", "COMP_WORDS": "dwell lead", "COMP_CWORD": "1"}
    done = subprocess.run(
        [Path(sys.executable).with_name("dwell")],
        cwd=tmp_path,
        env=os.environ | shell,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.split() == ["leaderboard"]
    assert list(tmp_path.iterdir()) == []
