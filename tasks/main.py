"""Run one stage from the command line: `python -m tasks STAGE`. This is the command of every stage in dvc.yaml."""

import argparse
import dataclasses
import logging
import resource
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel

from tasks.core.arithmetic import difference
from tasks.core.errors import ConfigError, DwellError, print_error
from tasks.core.layout import Workspace
from tasks.core.memory import keep_freed_memory
from tasks.core.names import checked_name
from tasks.core.progress import stage_bar
from tasks.core.system_errors import in_words
from tasks.core.timings import StageCost, write_timing
from tasks.core.torchrun import torchrun
from tasks.night.belonging import belonging
from tasks.night.lock import holding
from tasks.stages import STAGES, Night

_log = logging.getLogger(__name__)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the stage named on the command line in the current workspace; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tasks", description=__doc__)
    parser.add_argument("stage", choices=sorted(STAGES), help="stage to run")
    parser.add_argument("--recipe", help="recipe or ensemble of params.yaml, for stages that run once for each")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    logging.getLogger("tasks").setLevel(logging.INFO)
    keep_freed_memory()
    try:
        with in_words(f"stage {options.stage}"):
            run_stage(Workspace(), options.stage, checked_name(options.recipe) if options.recipe else None)
    except DwellError as error:
        return print_error(error)
    return 0


def run_stage(workspace: Workspace, stage: str, recipe: str | None = None) -> None:
    """Run one stage, and leave what it cost in `.dwell/timings/` for the night's archive.

    Of the processes that torchrun starts, the first does so; the others only take their part in the stage.

    Raises:
        ConfigError: if torchrun starts a stage that one process runs.
        NightError: if what it reads belongs to another night, or another process holds the workspace.
        DwellError: as the stage says.
    """
    started = time.perf_counter()
    night = Night.load(workspace)
    name = stage if recipe is None else f"{stage}@{recipe}"
    among = torchrun()
    if among is not None and among.size > 1 and stage != "train":
        raise ConfigError(
            f"torchrun started the stage {stage} {among.size} times: only train is run by several processes"
        )
    if among is not None and among.rank > 0:
        logging.getLogger("tasks").setLevel(logging.WARNING)
        STAGES[stage](night, recipe)
        return
    with (
        holding(workspace, f"stage {name}"),
        belonging(workspace, night.params, night.key, stage, recipe),
        stage_bar(workspace, name),
    ):
        result = STAGES[stage](night, recipe)
    if said := difference(night.key.arithmetic):
        _log.warning(said)
    seconds = time.perf_counter() - started
    own, children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_seconds = own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime
    peak_mib = own.ru_maxrss / 1024
    write_timing(workspace, name, StageCost(seconds=seconds, cpu_seconds=cpu_seconds, peak_mib=peak_mib))
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
