"""Kill parts of a night at moments spread over their work, run it again, and hold what stands against its twin."""

import contextlib
import random
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import yaml

from benchmarks.faults import world
from benchmarks.faults.world import AS_OF, STAGES
from tasks.core.files import remove

NIGHTLY = ("-m", "flows.cli", "nightly", "--as-of", AS_OF)


@dataclass
class Case:
    """One fault and what was found after it.

    Attributes:
        what: what was hit.
        when: moment, or the error injected.
        problems: what was wrong afterwards; empty: same bytes, no junk, no orphan, no help needed.
    """

    what: str
    when: str
    problems: list[str]


def of_stages(root: Path, expected: dict[str, str], per_stage: int, chance: random.Random) -> Iterator[Case]:
    """Kill every stage of a finished night, with and without its output standing, and run it again."""
    for stage, output in STAGES.items():
        remove(root / output)
        whole = world.finish(root, "-m", "tasks", *stage.split()).seconds
        for number in range(per_stage):
            if number % 2 == 0:
                remove(root / output)
            moment = whole * (0.25 + 0.75 * (number + chance.random()) / per_stage)
            yield _killed(root, expected, f"stage {stage}", moment, ("-m", "tasks", *stage.split()))


def of_dvc(root: Path, expected: dict[str, str], kills: int, chance: random.Random) -> Iterator[Case]:
    """Kill DVC alone while it runs a stage; the stage has to end with it."""
    names = ["features", "table", "train@d2q", "gate"]
    for number in range(kills):
        command = ("-m", "dvc", "repro", "--single-item", names[number % len(names)])
        moment = 1 + 5 * chance.random()
        yield _killed(root, expected, f"dvc repro {names[number % len(names)]}", moment, (*command, "--force"), command)


def of_nights(
    root: Path, expected: dict[str, str], kills: int, whole_s: float, chance: random.Random
) -> Iterator[Case]:
    """Kill the process of a night again and again, each time later in it, until one run comes to its end."""
    found = []
    for number in range(kills):
        moment = whole_s * (0.1 + 0.9 * (number + chance.random()) / kills)
        killed = world.kill(world.start(root, *NIGHTLY), moment)
        found.append(
            Case("engine of a night", f"after {moment:.1f} s" + ("" if killed else " (had ended)"), world.orphans(root))
        )
    yield from _ended(root, expected, found)


def of_servers(root: Path, expected: dict[str, str], kills: int, chance: random.Random) -> Iterator[Case]:
    """Kill the embedded server of a night."""
    found = []
    for _ in range(kills):
        night = world.start(root, *NIGHTLY)
        server = _child(night, "uvicorn")
        time.sleep(12 * chance.random())
        if server is not None:
            server.kill()
        night.wait(600)
        found.append(Case("embedded server", "", world.orphans(root)))
    yield from _ended(root, expected, found)


def of_workers(root: Path, expected: dict[str, str], kills: int, chance: random.Random) -> Iterator[Case]:
    """Kill a Dask worker, or the stage that it works for, while features are built."""
    params = yaml.safe_load((root / "params.yaml").read_text())
    (root / "params.yaml").write_text(
        yaml.safe_dump(params | {"cluster": {"kind": "local", "workers": 2}}, sort_keys=False)
    )
    for number in range(kills):
        remove(root / STAGES["features"])
        stage = world.start(root, "-m", "tasks", "features")
        worker = _child(stage, "spawn_main")
        time.sleep(2 + 2 * chance.random())
        if worker is not None and number % 2 == 0:
            worker.kill()
            problems = [] if stage.wait(300) == 0 else ["the stage did not survive its worker"]
        else:
            stage.kill()
            stage.wait()
            problems = world.orphans(root)
            problems += _failures(world.finish(root, "-m", "tasks", "features"))
        what = "Dask worker" if number % 2 == 0 else "stage with Dask workers"
        yield Case(what, "", problems + _state(root, expected))


def _killed(
    root: Path,
    expected: dict[str, str],
    what: str,
    moment: float,
    command: tuple[str, ...],
    again: tuple[str, ...] = (),
) -> Case:
    """Kill a command, run it again, and say what is wrong then."""
    killed = world.kill(world.start(root, *command), moment)
    problems = world.orphans(root) + _failures(world.finish(root, *(again or command)))
    when = f"after {moment:.1f} s" + ("" if killed else " (had ended)")
    return Case(what, when, problems + _state(root, expected))


def _ended(root: Path, expected: dict[str, str], found: list[Case]) -> Iterator[Case]:
    """Let the night end undisturbed; what is wrong then is charged to the last case."""
    problems = _failures(world.finish(root, *NIGHTLY)) + _state(root, expected)
    found[-1].problems.extend(problems)
    yield from found


def _failures(done: world.Finished) -> list[str]:
    return [] if done.status == 0 else [f"the rerun failed: {done.output[-300:]}"]


def _state(root: Path, expected: dict[str, str]) -> list[str]:
    return world.differences(expected, world.snapshot(root)) + world.left_unfinished(root) + world.orphans(root)


def _child(parent: "subprocess.Popen[str]", word: str) -> psutil.Process | None:
    """Return the first process below another whose command holds a word, as soon as there is one."""
    while parent.poll() is None:
        with contextlib.suppress(psutil.Error):
            for process in psutil.Process(parent.pid).children(recursive=True):
                if word in " ".join(process.cmdline()):
                    return process
        time.sleep(0.05)
    return None
