"""What every command line answers."""

import tomllib
from pathlib import Path

from typer.testing import CliRunner

from flows.cli import app

REPOSITORY = Path(__file__).resolve().parents[1]


def test_the_version_is_that_of_the_package() -> None:
    version = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]["version"]
    done = CliRunner().invoke(app, ["--version"])
    assert (done.exit_code, done.output) == (0, f"dwell {version}\n")
