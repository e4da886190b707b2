"""Many nights with nobody there: something goes wrong in every third, and what starts nights only starts them again.

The twin's nights are those of one `dwell backfill` in which nothing goes wrong.
"""

import contextlib
import datetime as dt
import random
import resource
import sqlite3
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import psutil
import yaml

from benchmarks.faults import world
from benchmarks.faults.kills import Case, failures
from benchmarks.faults.world import AS_OF, STAGES
from tasks.core.layout import Workspace
from tasks.registry.ledger import read_ledger
from tasks.registry.replay import succession
from tasks.retention.plan import PREFECT_DATABASE
from tasks.retention.prefect_history import TABLES

NIGHTS = 90
KEEP_NIGHTS = 7
"""`nightly.keep_nights` of both: what is older goes, so the disk stops growing after so many nights."""
_EVERY = 3
_STARTS = 3
"""How often a night is started before the next day's is."""
_GROWTH = 1.1
"""How much more than after a third of the nights may lie on the disk after all of them."""

Thrown = tuple[str, bool]
"""When something went wrong and what was said, and whether the night ended well all the same."""


def of_nights(root: Path, twin: Path, nights: int, chance: random.Random) -> Iterator[Case]:
    """Run nights with faults in one workspace and without in another; a case for every fault, and for what stands at the end."""
    days = [dt.date.fromisoformat(AS_OF) + dt.timedelta(days=number) for number in range(nights)]
    for workspace in (root, twin):
        params = yaml.safe_load((workspace / "params.yaml").read_text())
        params["nightly"]["keep_nights"] = KEEP_NIGHTS
        (workspace / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))
    backfill = ("-m", "flows.cli", "backfill", "--from", f"{days[0]}", "--to", f"{days[-1]}")
    sizes, faults = list[float](), list(FAULTS)
    with ThreadPoolExecutor(1) as pool:
        undisturbed = pool.submit(world.finish, twin, *backfill, patience_s=None)
        for number, day in enumerate(days):
            fault = faults[number // _EVERY % len(faults)] if number % _EVERY == _EVERY - 1 else None
            case = _night(root, day, fault, chance)
            if fault is not None or case.problems:
                yield case
            a_day_passes(Workspace(root).scratch / PREFECT_DATABASE)
            sizes.append(_mib(root))
        problems = failures(undisturbed.result()) + world.differences(world.snapshot(twin), world.snapshot(root))
    champion = succession(read_ledger(Workspace(root).registry("simulator")))[-1]
    yield Case(f"{nights} nights", f"against the undisturbed twin; both end with champion {champion}", problems[:20])
    yield _disk(sizes, _mib(twin))


def _night(root: Path, day: dt.date, fault: str | None, chance: random.Random) -> Case:
    """Start a night until it has ended well; a fault meets its first start."""
    command = ["-m", "flows.cli", "nightly", "--as-of", f"{day}"]
    when, said, starts, output = f"night {day}", list[str](), 0, ""
    has_ended = False
    if fault is not None:
        what, has_ended = FAULTS[fault](root, command, chance)
        when, starts = f"{when}, {what}", 1
        said += world.orphans(root)
    while not has_ended and starts < _STARTS:
        done = world.finish(root, *command)
        has_ended, output, starts = done.status == 0, done.output, starts + 1
    said += [] if has_ended else [f"it was given up: {output[-300:]}"]
    said += world.left_unfinished(root) + world.orphans(root)
    return Case(fault or "nothing", f"{when}; started {starts} times", said)


def _killed(root: Path, command: list[str], chance: random.Random, word: str | None) -> Thrown:
    """Kill a night, or something that works for it, once some of its stages have ended."""
    before, stages = world.locked(root), chance.randrange(len(STAGES))
    night = world.start(root, *command)
    until = time.monotonic() + 5 * chance.random()
    while night.poll() is None and (_renewed(root, before) < stages or time.monotonic() < until):
        time.sleep(0.1)
    victim, name = None, "nothing"
    with contextlib.suppress(psutil.Error):
        parent = psutil.Process(night.pid)
        below = (
            [parent] if word is None else [p for p in parent.children(recursive=True) if word in " ".join(p.cmdline())]
        )
        victim = chance.choice(below) if below else None
        name = " ".join(victim.cmdline()[1:4]) if victim else name
    when = f"{name} killed after {_renewed(root, before)} stages{'' if night.poll() is None else ' (had ended)'}"
    with contextlib.suppress(psutil.Error):
        if victim is not None:
            victim.kill()
    return when, night.wait(900) == 0


def _renewed(root: Path, before: dict[str, object]) -> int:
    return sum(before.get(name) != stage for name, stage in world.locked(root).items())


def _torn(root: Path, command: list[str], chance: random.Random, name: str) -> Thrown:
    """Leave a file of the workspace as a crash would have, and start a night."""
    path = root / name
    content = path.read_text()
    cut = chance.randrange(len(content) // 4, len(content) - 1)
    path.write_text(content[:cut])
    done = world.finish(root, *command)
    return f"{name} cut at byte {cut}; it {_ended(done)}", done.status == 0


def _limited(root: Path, command: list[str], _: random.Random, limit: int, value: int) -> Thrown:
    """Start a night that may not have as much of something as it needs."""
    done = world.finish(root, *command, before=lambda: resource.setrlimit(limit, (value, value)))
    return f"it {_ended(done)}", done.status == 0


def _twice(root: Path, command: list[str], chance: random.Random) -> Thrown:
    """Start a night while another of it runs."""
    first = world.start(root, *command)
    time.sleep(10 * chance.random())
    second = world.finish(root, *command)
    status = first.wait(900)
    return f"the first ended with {status}, the second {_ended(second)}", 0 in (status, second.status)


def _ended(done: world.Finished) -> str:
    return f"ended with {done.status}" + (f": `{done.error_lines[0][:120]}`" if done.error_lines else "")


FAULTS: dict[str, Callable[[Path, list[str], random.Random], Thrown]] = {
    "the night is killed": partial(_killed, word=None),
    "its server is killed": partial(_killed, word="uvicorn"),
    "DVC is killed": partial(_killed, word="flows.dvc_command"),
    "the fork server is killed": partial(_killed, word="fork_server"),
    "a process below is killed": partial(_killed, word=""),
    "dvc.lock is torn": partial(_torn, name="dvc.lock"),
    "run.yaml is torn": partial(_torn, name="run.yaml"),
    "files may have 100 KB": partial(_limited, limit=resource.RLIMIT_FSIZE, value=100_000),
    "32 files may be open": partial(_limited, limit=resource.RLIMIT_NOFILE, value=32),
    "a second night is started": _twice,
}
"""What goes wrong -> how. What a person has done wrong (a merge left half-way in dvc.lock) is refused and waits for one."""


def a_day_passes(database: Path) -> None:
    """Make Prefect's history a day older: it is forgotten by the clock, and these nights follow each other within minutes.

    Args:
        database: SQLite file that no server has open.
    """
    with contextlib.closing(sqlite3.connect(database)) as connection, connection:
        for table, made in TABLES.items():
            connection.execute(f"UPDATE {table} SET {made} = strftime('%Y-%m-%d %H:%M:%f', {made}, '-1 day')")


def _mib(root: Path) -> float:
    return sum(path.lstat().st_size for path in root.rglob("*") if path.is_file()) / 2**20


def _disk(sizes: list[float], twin: float) -> Case:
    third = sizes[len(sizes) // 3]
    when = f"{third:.0f} MiB after a third of the nights, {sizes[-1]:.0f} at the end, at most {max(sizes):.0f}; the twin {twin:.0f}"
    return Case("disk", when, [] if sizes[-1] <= _GROWTH * third else ["it grows"])
