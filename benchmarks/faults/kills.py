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
    whole_s = world.processor_seconds(root)
    for stage, output in STAGES.items():
        for number in range(per_stage):
            if number % 2 == 0:
                remove(root / output)
            used_s = whole_s[stage.replace(" --recipe ", "@")] * (0.2 + 0.75 * (number + chance.random()) / per_stage)
            process = world.start(root, "-m", "tasks", *stage.split())
            world.wait_until_used(process, used_s)
            yield _killed(
                root, expected, f"stage {stage}", f"{used_s:.1f} CPU-s", process, ("-m", "tasks", *stage.split())
            )


def of_dvc(root: Path, expected: dict[str, str], kills: int, chance: random.Random) -> Iterator[Case]:
    """Kill DVC alone while it runs a stage; the stage has to end with it."""
    names = ["features", "table", "train@d2q", "gate"]
    for number in range(kills):
        name = names[number % len(names)]
        process = world.start(root, "-m", "dvc", "repro", "--single-item", name, "--force")
        _child(process, "tasks")
        moment = 4 * chance.random()
        time.sleep(moment)
        what, when = f"dvc repro {name}", f"{moment:.1f} s after the stage's start"
        yield _killed(root, expected, what, when, process, ("-m", "dvc", "repro", "--single-item", name))


def of_nights(root: Path, expected: dict[str, str], kills: int, chance: random.Random) -> Iterator[Case]:
    """Kill the process of a night again and again, each time later in it."""
    yield from _again_and_again(root, expected, kills, chance, "engine of a night", None)


def of_servers(root: Path, expected: dict[str, str], kills: int, chance: random.Random) -> Iterator[Case]:
    """Kill the embedded server of a night again and again."""
    yield from _again_and_again(root, expected, kills, chance, "embedded server", "uvicorn")


def _again_and_again(
    root: Path, expected: dict[str, str], kills: int, chance: random.Random, what: str, child: str | None
) -> Iterator[Case]:
    """Kill a night, or one child of it, run it again, kill it later; what a run finds wrong is charged to the kill before it."""
    found, seen = list[Case](), set[str]()
    for number in range(kills):
        stages, moment = int(len(STAGES) * (number + chance.random()) / kills), 5 * chance.random()
        night = world.start(root, *NIGHTLY)
        victim = psutil.Process(night.pid) if child is None else _child(night, child)
        while night.poll() is None and world.stages_done(root) < stages:
            time.sleep(0.2)
        time.sleep(moment)
        if found:
            found[-1].problems += unlike(root, expected, seen)
        when = f"after {world.stages_done(root)} stages" + ("" if night.poll() is None else " (had ended)")
        with contextlib.suppress(psutil.NoSuchProcess, AttributeError):
            victim.kill()  # type: ignore[union-attr]
        night.wait(900)
        found.append(Case(what, when, world.orphans(root)))
    found[-1].problems += failures(world.finish(root, *NIGHTLY)) + unlike(root, expected, seen, ended=True)
    yield from found


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
        moment, ended = 0.5 + 2 * chance.random(), stage.poll() is not None
        time.sleep(moment)
        if worker is not None and number % 2 == 0:
            try:
                worker.kill()
            except psutil.NoSuchProcess:
                ended = True
            problems = [] if stage.wait(300) == 0 else ["the stage did not survive its worker"]
        else:
            stage.kill()
            stage.wait()
            problems = world.orphans(root)
            problems += failures(world.finish(root, "-m", "tasks", "features"))
        what = "Dask worker" if number % 2 == 0 else "stage with Dask workers"
        when = f"{moment:.1f} s after the worker's start{' (had ended)' if ended else ''}"
        yield Case(what, when, problems + state(root, expected))


def _killed(
    root: Path,
    expected: dict[str, str],
    what: str,
    when: str,
    process: "subprocess.Popen[str]",
    again: tuple[str, ...],
) -> Case:
    """Kill a command now, run it again, and say what is wrong then."""
    ended = process.poll() is not None
    process.kill()
    process.wait()
    problems = world.orphans(root) + failures(world.finish(root, *again))
    return Case(what, when + (" (had ended)" if ended else ""), problems + state(root, expected))


def failures(done: world.Finished) -> list[str]:
    """Return what went wrong with a command that had to succeed."""
    return [] if done.status == 0 else [f"the rerun failed: {done.output[-300:]}"]


def state(root: Path, expected: dict[str, str]) -> list[str]:
    """Return what is otherwise than in the undisturbed twin, left unfinished, or runs on."""
    return world.differences(expected, world.snapshot(root)) + world.left_unfinished(root) + world.orphans(root)


def unlike(root: Path, expected: dict[str, str], seen: set[str], ended: bool = False) -> list[str]:
    """Return what is otherwise than in the undisturbed twin and was not seen before.

    Args:
        root: where a night runs.
        expected: the twin's files.
        seen: what was found before; what is found is added.
        ended: whether the night has; else only outputs of stages that have ended are looked at.
    """
    found = world.differences(expected, world.snapshot(root))
    found = found + world.left_unfinished(root) if ended else world.of_ended_stages(root, found)
    new = [line for line in found if line not in seen]
    seen.update(new)
    return new


def _child(parent: "subprocess.Popen[str]", word: str) -> psutil.Process | None:
    """Return the first process below another whose command holds a word, as soon as there is one."""
    while parent.poll() is None:
        with contextlib.suppress(psutil.Error):
            for process in psutil.Process(parent.pid).children(recursive=True):
                if word in " ".join(process.cmdline()):
                    return process
        time.sleep(0.05)
    return None
