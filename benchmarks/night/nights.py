"""Two nights one after the other, and the second once more: what the second and the third run cost, by who spends it."""

import datetime as dt
import json
import os
import sys
from collections.abc import Mapping
from typing import Any

import yaml

from benchmarks.night.accounts import Lasting, by_who
from benchmarks.parts.part import Options, Table
from benchmarks.parts.process import cost_of
from benchmarks.scale import REPOSITORY
from tasks.config import load_params
from tasks.core.files import remove
from tasks.core.layout import Workspace
from tasks.core.timings import spans, timings
from tasks.ingest.stage import default_as_of
from tasks.night.sandbox import begin_repository, copy_code
from tasks.simulate.config import SimulatorConfig

_SOURCE = "simulator"


def second_night(
    options: Options, changes: Mapping[str, Mapping[str, Any]], title: str, impressions: int | None = None
) -> Table:
    """Run the nights in a workspace of their own.

    Args:
        options: scratch.
        changes: block of params.yaml -> what is changed of it.
        title: of the table.
        impressions: of a day; None: those of params.yaml.
    """
    workspace = Workspace(options.scratch / "workspace")
    remove(workspace.root)
    copy_code(Workspace(REPOSITORY), workspace.root)
    first = _configure(workspace, changes, impressions)
    begin_repository(workspace.root)
    _night(workspace, first)
    second = first + dt.timedelta(days=1)
    return _table(title, _night(workspace, second), _night(workspace, second))


def _configure(workspace: Workspace, changes: Mapping[str, Mapping[str, Any]], impressions: int | None) -> dt.date:
    """Write params.yaml; return the night that runs when none is named."""
    params = yaml.safe_load(workspace.params.read_text())
    params |= {block: params[block] | changed for block, changed in changes.items()}
    world = SimulatorConfig.model_validate(params["sources"][_SOURCE])
    if impressions is not None:
        world = world.scaled(impressions)
        params["sources"][_SOURCE] = json.loads(world.model_dump_json())
    workspace.params.write_text(yaml.safe_dump(params, sort_keys=False))
    load_params(workspace.params)
    return default_as_of(world)


def _night(workspace: Workspace, as_of: dt.date) -> dict[str, float]:
    """Run a night; return who -> CPU-seconds."""
    command = [sys.executable, "-m", "flows.cli", "nightly", "--source", _SOURCE, "--as-of", str(as_of)]
    # the server of the night's own is part of what it costs
    environment = {name: value for name, value in os.environ.items() if name not in ("PREFECT_API_URL", "PYTHONPATH")}
    lasting = Lasting()
    home = {"PREFECT_HOME": str(workspace.root / ".dwell/prefect")}
    cost = cost_of(command, workspace.root, environment | home, lasting.look)
    costs = timings(workspace)
    ran = [stage for stage, span in spans(workspace).items() if span.outcome == "ran"]
    return by_who(cost.cpu_s, {stage: costs[stage].cpu_seconds for stage in ran}, lasting.cpu_s)


def _table(title: str, second: Mapping[str, float], again: Mapping[str, float]) -> Table:
    total = sum(second.values())
    everyone = list(dict.fromkeys([*second, *again]))
    rows = [
        [who, f"{second.get(who, 0):.1f}", f"{second.get(who, 0) / total:.0%}", f"{again.get(who, 0):.1f}"]
        for who in everyone
    ]
    return Table(
        title=title,
        columns=["who spends it", "second night, CPU-s", "of all", "the same night again, CPU-s"],
        rows=[*rows, ["all", f"{total:.1f}", "100%", f"{sum(again.values()):.1f}"]],
        notes=[
            "All is what the kernel charges the process of `dwell nightly` with, and all that it waited for. A stage says itself what it took, from its start "
            "on and with its children. Processes that last as long as the run are looked at ten times a second; the rest is that of DVC's processes, one for "
            "each stage, and of starting them and the stages: libraries, hashes of inputs and outputs, dvc.lock.",
            "The first night, which fills caches and makes the database of Prefect's server, is not counted. The same night again changes nothing: every stage "
            "is asked whether it has to run.",
        ],
        numbers={"second": dict(second), "again": dict(again)},
    )
