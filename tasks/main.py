"""Run one stage from the command line: `python -m tasks STAGE`. This is the command of every stage in dvc.yaml."""

import argparse
import dataclasses
import json
import logging
import resource
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from tasks.core.errors import USER_ERROR, DwellError
from tasks.core.files import write_json
from tasks.core.layout import Workspace
from tasks.stages import STAGES, Night


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the stage named on the command line in the current workspace; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tasks", description=__doc__)
    parser.add_argument("stage", choices=sorted(STAGES), help="stage to run")
    parser.add_argument("--recipe", help="recipe or ensemble of params.yaml, for stages that run once for each")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    logging.getLogger("tasks").setLevel(logging.INFO)
    try:
        run_stage(Workspace(), options.stage, options.recipe)
    except DwellError as error:
        for line in str(error).splitlines():
            print(f"error: {line}", file=sys.stderr)
        return USER_ERROR
    return 0


def run_stage(workspace: Workspace, stage: str, recipe: str | None = None) -> None:
    """Run one stage, and leave what it cost in `.dwell/timings/` for the night's archive."""
    started = time.perf_counter()
    result = STAGES[stage](Night.load(workspace), recipe)
    seconds = time.perf_counter() - started
    own, children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_seconds = own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime
    peak_mib = own.ru_maxrss / 1024
    name = stage if recipe is None else f"{stage}@{recipe}"
    cost = {"seconds": seconds, "cpu_seconds": cpu_seconds, "peak_mib": peak_mib}
    write_json(workspace.scratch / "timings" / f"{name}.json", cost)
    print(f"{name}: {_brief(result)} ({seconds:.1f} s, {peak_mib:.0f} MiB)")


def _brief(result: Any) -> str:
    """Say in one line what a stage returned; of long collections only their size."""
    if dataclasses.is_dataclass(result):
        values = {field.name: getattr(result, field.name) for field in dataclasses.fields(result)}
        return ", ".join(f"{name} {_brief(value)}" for name, value in values.items())
    if isinstance(result, BaseModel):
        return _brief(dict(result))
    if isinstance(result, float):
        return f"{result:.4f}"
    if isinstance(result, Mapping):
        return ", ".join(f"{key} {_brief(value)}" for key, value in result.items())
    if isinstance(result, (tuple, list)):
        return f"{len(result)} items" if len(result) > 5 else "[" + ", ".join(map(_brief, result)) + "]"
    return str(result)


def timings(workspace: Workspace) -> dict[str, dict[str, float]]:
    """Return stage -> seconds, cpu_seconds (with start-up and children) and peak_mib of its last run in this workspace."""
    folder: Path = workspace.scratch / "timings"
    return {path.stem: json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))}
