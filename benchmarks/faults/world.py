"""A small finished night, what it consists of to the byte, and what must not be there beside it."""

import contextlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import yaml

from tasks.core.files import hash_file
from tasks.core.processes import ROOT
from tasks.core.temporaries import OUTPUTS, SCRATCH
from tests.flows.small_night import REPOSITORY, make_workspace, tiny_params

AS_OF = "2026-01-15"
_RECIPE = "d2q"
"""The one that a tiny night fits; of ensembles and proposers it makes none."""


def _stages() -> Iterator[tuple[str, str]]:
    stages = yaml.safe_load((REPOSITORY / "dvc.yaml").read_text())["stages"]
    for stage in stages.values():
        if stage.get("matrix", {}).get("recipe") not in ("${nightly.ensembles}", "${nightly.proposers}"):
            command, output = stage["cmd"].removeprefix("python -m tasks "), stage["outs"][0]
            path = output if isinstance(output, str) else next(iter(output))
            yield command.replace("${item.recipe}", _RECIPE), path.replace("${item.recipe}", _RECIPE)


STAGES = dict(_stages())
"""Stage, with its recipe -> the output folder it makes."""
_TIMED = ("report.html", "operations.json", ".lock")
"""Files of registry and archive that hold a clock's time or nothing: only their names are compared."""


@dataclass
class Finished:
    """A command that ended, or was killed."""

    status: int
    output: str
    seconds: float

    @property
    def error_lines(self) -> list[str]:
        return [line for line in self.output.splitlines() if line.startswith("error: ")]


def make(root: Path, **changes: object) -> Path:
    """Make a workspace whose night is not begun."""
    return make_workspace(root, tiny_params() | changes)


def copy(world: Path, root: Path) -> Path:
    """Copy a workspace, caches included."""
    shutil.copytree(world, root, symlinks=True)
    return root


def environment(root: Path, **variables: str) -> dict[str, str]:
    """Return what processes in a workspace are started with."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return os.environ | {"PATH": path, "PREFECT_HOME": str(root / ".dwell/prefect")} | variables


def start(root: Path, *arguments: str, **variables: str) -> "subprocess.Popen[str]":
    """Start a Python module in a workspace, in a session of its own."""
    return subprocess.Popen(
        [sys.executable, *arguments], cwd=root, env=environment(root, **variables), start_new_session=True, text=True,
        stdout=(root / "killed.log").open("w"), stderr=subprocess.STDOUT,
    )  # fmt: skip


def finish(
    root: Path,
    *arguments: str,
    patience_s: float | None = 900,
    before: Callable[[], None] | None = None,
    **variables: str,
) -> Finished:
    """Run a Python module in a workspace to its end; `before` is called in its process first."""
    begun = time.monotonic()
    done = subprocess.run(
        [sys.executable, *arguments], cwd=root, env=environment(root, **variables), text=True, timeout=patience_s,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False, preexec_fn=before,
    )  # fmt: skip
    return Finished(done.returncode, done.stdout, time.monotonic() - begun)


def processor_seconds(root: Path) -> dict[str, float]:
    """Return stage -> seconds of a processor that it took in the archived night."""
    operations = json.loads((root / f"nights/simulator/{AS_OF}/operations.json").read_text())
    return {stage: timing["cpu_seconds"] for stage, timing in operations["timings"].items()}


def wait_until_used(process: "subprocess.Popen[str]", seconds: float) -> None:
    """Wait until a process has used a processor for so long, whatever else runs on the machine, or has ended."""
    with contextlib.suppress(psutil.Error):
        while process.poll() is None and sum(psutil.Process(process.pid).cpu_times()[:2]) < seconds:
            time.sleep(0.02)


def snapshot(root: Path) -> dict[str, str]:
    """Return path -> hash of everything below the outputs, hidden files and empty folders too."""
    paths = (path for name in OUTPUTS for path in sorted((root / name).rglob("*")))
    found = {path.relative_to(root).as_posix(): _content(path) for path in paths}
    return found | {"dvc.lock": _content(root / "dvc.lock")} if (root / "dvc.lock").exists() else found


def differences(expected: dict[str, str], found: dict[str, str]) -> list[str]:
    """Return a line for everything that is missing, too much or otherwise."""
    lines = [f"missing {path}" for path in expected.keys() - found.keys()]
    lines += [f"too much {path}" for path in found.keys() - expected.keys()]
    return sorted(
        lines + [f"changed {path}" for path in expected.keys() & found.keys() if expected[path] != found[path]]
    )


def stages_done(root: Path) -> int:
    """Return how many stages of a night DVC has written down."""
    return len(locked(root))


def of_ended_stages(root: Path, lines: list[str]) -> list[str]:
    """Return the differences that concern outputs of stages that DVC has written down."""
    outputs = [out["path"] for stage in locked(root).values() for out in stage.get("outs", ())]
    return [line for line in lines if any(Path(line.split(" ", 1)[1]).is_relative_to(output) for output in outputs)]


def locked(root: Path) -> dict[str, Any]:
    """Return stage -> what DVC has written down of it."""
    with contextlib.suppress(OSError, yaml.YAMLError, TypeError, KeyError):  # it is being written
        return dict(yaml.safe_load((root / "dvc.lock").read_text())["stages"])
    return {}


def left_unfinished(root: Path) -> list[str]:
    """Return what lies below `.dwell/tmp` though nothing runs."""
    return sorted(path.name for path in (root / SCRATCH / "tmp").glob("*"))


def orphans(root: Path, patience_s: float = 30) -> list[str]:
    """Return the processes that still run in a workspace a while after what started them has died.

    A stage whose DVC dies ends as soon as it has imported what tells it so: seconds on a busy machine.
    """
    until = time.monotonic() + patience_s
    while running := _running(root):
        if time.monotonic() > until:
            return running
        time.sleep(0.2)
    return []


def _running(root: Path) -> list[str]:
    found = []
    for process in psutil.process_iter():
        try:
            inside = Path(process.cwd()).is_relative_to(root) or process.environ().get(ROOT) == str(root)
            if inside and process.status() != psutil.STATUS_ZOMBIE and process.pid != os.getpid():
                found.append(f"{process.pid} {' '.join(process.cmdline())[:120]}")
        except (psutil.Error, OSError):
            continue
    return found


def _content(path: Path) -> str:
    if path.is_dir():
        return "folder"
    if path.name in _TIMED:
        return "present"
    if path.name == "dvc.lock":  # its stages stand in the order in which they ended
        return json.dumps(yaml.safe_load(path.read_text()), sort_keys=True)
    if path.name == "ledger.head":
        return str(json.loads(path.read_text())["events"])
    if path.name == "ledger.jsonl":
        events = [json.loads(line) for line in path.read_text().splitlines()]
        return json.dumps(
            [{k: v for k, v in event.items() if "hash" not in k and k != "recorded_at"} for event in events]
        )
    return hash_file(path)
