"""The workflow for a repository of one's own, and the devcontainer: what they call exists, and nothing in them moves by itself."""

import datetime as dt
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import yaml
from typer.main import get_command

from flows.cli import app
from tests.test_lock import REPOSITORY

TEXT = (REPOSITORY / "infra/ci/github-actions.yml").read_text()
TARGETS = set(re.findall(r"^([a-z0-9-]+):", (REPOSITORY / "Makefile").read_text(), re.MULTILINE))
COMMANDS: Mapping[str, Any] = get_command(app).commands  # type: ignore[attr-defined]


def unknown_calls(line: str) -> Iterator[str]:
    """Yield the calls of `make` and `dwell` in a line of shell that there are not."""
    for target in re.findall(r"\bmake ([a-z-]+)", line):
        if target not in TARGETS:
            yield f"make {target}: no such target"
    for name in re.findall(r"(?:^|[ /])dwell ([a-z-]+)", line):
        if name not in COMMANDS:
            yield f"dwell {name}: no such command"
    for name, option in re.findall(r"(?:^|[ /])dwell ([a-z-]+) .*?(--[a-z-]+)", line):
        if option not in {flag for one in COMMANDS[name].params for flag in one.opts}:
            yield f"dwell {name}: no {option}"


def findings(text: str) -> list[str]:
    """Return what is wrong in a workflow."""
    workflow = yaml.safe_load(text)
    found = [] if workflow.get("permissions") == {"contents": "read"} else ["jobs may write by default"]
    for name, job in workflow["jobs"].items():
        if not job.get("timeout-minutes"):
            found.append(f"{name}: no timeout")
        if job.get("runs-on", "").endswith("latest"):
            found.append(f"{name}: runs on {job['runs-on']}")
        if "schedule" not in job.get("if", "") and "pull_request" not in job.get("if", ""):
            found.append(f"{name}: begun by whatever happens")
        for step in job["steps"]:
            if "uses" in step and not re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", step["uses"]):
                found.append(f"{name}: {step['uses']} can be moved")
            if "${{" in step.get("run", ""):
                found.append(f"{name}: a value is put into the shell: {step['run']}")
            found += [f"{name}: {call}" for line in step.get("run", "").splitlines() for call in unknown_calls(line)]
    for value in re.findall(r"^ +AWS_\w*KEY\w*: (.*)$", text, re.MULTILINE):
        if not value.startswith("${{ secrets."):
            found.append("a key stands in the file")
    return found


def test_the_workflow_keeps_the_rules() -> None:
    assert findings(TEXT) == []


@pytest.mark.parametrize(
    ("right", "wrong", "finding"),
    [
        ("actions/checkout@11bd71901bbe5b1630ceea73d27597364c9af683", "actions/checkout@v4", "can be moved"),
        ("permissions:\n  contents: read", "permissions:\n  contents: write", "may write by default"),
        ("    timeout-minutes: 180\n", "", "nightly: no timeout"),
        ("ubuntu-24.04", "ubuntu-latest", "runs on ubuntu-latest"),
        ("    if: github.event_name == 'pull_request'\n", "", "check: begun by whatever"),
        ('${AS_OF:+--as-of "$AS_OF"}', "--as-of ${{ inputs.as_of }}", "put into the shell"),
        ("${{ secrets.AWS_SECRET_ACCESS_KEY }}", "wJalr", "a key stands in the file"),
        ("make check", "make chek", "make chek: no such target"),
        ("dwell push", "dwell upload", "dwell upload: no such command"),
        ("--as-of", "--night", "dwell nightly: no --night"),
    ],
)
def test_a_wrong_twin_is_found(right: str, wrong: str, finding: str) -> None:
    assert right in TEXT
    assert any(finding in found for found in findings(TEXT.replace(right, wrong)))


def test_the_workflow_runs_when_the_deployment_would() -> None:
    deployed = yaml.safe_load((REPOSITORY / "prefect.yaml").read_text())["deployments"][0]["schedules"][0]
    (cron,) = re.findall(r'- cron: "(\d+) (\d+) \* \* \*"', TEXT)
    minute, hour, *rest = deployed["cron"].split()
    assert rest == ["*"] * 3
    there = dt.datetime(2026, 1, 16, int(hour), int(minute), tzinfo=ZoneInfo(deployed["timezone"]))
    assert cron == (str(there.astimezone(dt.UTC).minute), str(there.astimezone(dt.UTC).hour))


def test_the_devcontainer_is_pinned_and_sets_up_what_there_is() -> None:
    container = json.loads((REPOSITORY / ".devcontainer/devcontainer.json").read_text())
    assert re.search(r":\d[\w.-]*$", container["image"])
    assert container["remoteUser"] != "root"
    assert "make setup" in container["postCreateCommand"]
    assert not list(unknown_calls(container["postCreateCommand"]))
    workflow = yaml.safe_load(TEXT)
    assert container["containerEnv"]["PIP_FIND_LINKS"] == workflow["env"]["PIP_FIND_LINKS"]
    assert f"TORCH_LINKS={workflow['env']['PIP_FIND_LINKS']}" in (REPOSITORY / "infra/docker/Dockerfile").read_text()
