"""Many nights unattended with faults thrown in, beside undisturbed ones: the same champion, and a disk that stays bounded.

python -m benchmarks.faults.year 90   # results/year.md is written beside this file; a night of both takes about three minutes
"""

import argparse
import contextlib
import datetime as dt
import random
import sqlite3
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.faults import world
from benchmarks.faults.kills import unlike
from benchmarks.faults.world import AS_OF
from tasks.core.files import write_text
from tasks.protocol.record import circumstances
from tasks.retention.prefect_history import TABLES
from tests.flows.small_night import tiny_params

RESULTS = Path(__file__).with_name("results")
SEED, KEEP, SHARE = 11, 3, 0.5
"""Seed; nights to keep (`nightly.keep_nights`); share of the nights that are killed on their way."""
_RENEWED = 10
"""Stages that every night runs."""
_PARTS = {"outputs": ("data", "artifacts"), "archive": ("nights",), "registry": ("registry",), "cache": (".dvc",), "scratch": (".dwell",)}  # fmt: skip


@dataclass
class Night:
    """One disturbed night as it stood when it had ended.

    Attributes:
        day: night T.
        kills: how often it was killed.
        problems: in what it was unlike the undisturbed one.
        mib: size of the parts of the workspace.
    """

    day: dt.date
    kills: int
    problems: list[str]
    mib: dict[str, float]


def nights(scratch: Path, count: int, chance: random.Random) -> list[Night]:
    """Run nights twice: undisturbed, and killed now and then."""
    twin = world.make(scratch / "twin", nightly=tiny_params()["nightly"] | {"keep_nights": KEEP})
    root = world.copy(twin, scratch / "disturbed")
    found, seen = list[Night](), set[str]()
    for number in range(count):
        day = dt.date.fromisoformat(AS_OF) + dt.timedelta(days=number)
        command = ("-m", "flows.cli", "nightly", "--as-of", day.isoformat())
        undisturbed = world.finish(twin, *command)
        if undisturbed.status:
            raise SystemExit(f"the undisturbed night failed: {undisturbed.output[-2000:]}")
        kills = _killed(root, command, chance)
        done = world.finish(root, *command)
        problems = [] if done.status == 0 else [f"the night failed: {done.output[-300:]}"]
        problems += unlike(root, world.snapshot(twin), seen, ended=True) + world.orphans(root)
        for workspace in (twin, root):
            _let_a_day_pass(workspace)
        found.append(Night(day, kills, problems, _sizes(root)))
        print(f"{day}: {kills} kills, {'; '.join(problems) or 'as undisturbed'}, {sum(found[-1].mib.values()):.0f} MiB", flush=True)  # fmt: skip
    return found


def _killed(root: Path, command: tuple[str, ...], chance: random.Random) -> int:
    """Kill the process of a night on its way, or do nothing; return how often it was killed."""
    struck, stages = chance.random() < SHARE, chance.randrange(_RENEWED)
    if not struck:
        return 0
    before, night = world.locked(root), world.start(root, *command)
    while night.poll() is None and sum(before.get(k) != v for k, v in world.locked(root).items()) < stages:
        time.sleep(0.2)
    ended = night.poll() is not None
    night.kill()
    night.wait()
    return 0 if ended else 1


def _let_a_day_pass(root: Path) -> None:
    """Make the rows of Prefect's history a day older: all nights of this are run within hours."""
    with contextlib.closing(sqlite3.connect(root / ".dwell/prefect/prefect.db")) as connection, connection:
        for table, column in TABLES.items():
            older = f"strftime('%Y-%m-%d %H:%M:%f000', {column}, '-1 day')"
            connection.execute(f"UPDATE {table} SET {column} = {older}")


def _sizes(root: Path) -> dict[str, float]:
    files = {part: (file for name in names for file in (root / name).rglob("*")) for part, names in _PARTS.items()}
    return {part: sum(file.stat().st_size for file in found if file.is_file()) / 2**20 for part, found in files.items()}


def _page(found: list[Night], seconds: float) -> str:
    where = ", ".join(f"{name} {value}" for name, value in circumstances().items())
    early, late = (sum(found[at].mib.values()) for at in (min(2 * KEEP, len(found) - 1), -1))
    lines = [
        "# Many nights unattended", "",
        f"Run it: `python -m benchmarks.faults.year {len(found)}` ({seconds / 60:.0f} minutes here, seed {SEED}). {where[0].upper()}{where[1:]}.", "",
        f"{sum(night.kills for night in found)} of {len(found)} nights were killed on their way and run again; {sum(not night.problems for night in found)} left "
        "the bytes, the ledger and the champion of undisturbed ones, no junk and no process. With the last "
        f"{KEEP} nights kept the workspace holds {late:.0f} MiB in the end; {early:.0f} MiB it were after {min(2 * KEEP, len(found) - 1) + 1} nights.", "",
        f"| night | kills | {' | '.join(f'{part}, MiB' for part in _PARTS)} | afterwards |", "|---" * (len(_PARTS) + 3) + "|",
    ]  # fmt: skip
    for night in found:
        sizes = " | ".join(f"{size:.1f}" for size in night.mib.values())
        lines.append(f"| {night.day} | {night.kills} | {sizes} | {'; '.join(night.problems) or 'as undisturbed'} |")
    return "\n".join(lines) + "\n"


def main() -> int:
    """Run the nights asked for; return 1 if one of them left anything wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("nights", type=int, nargs="?", default=90)
    count, begun = parser.parse_args().nights, time.monotonic()
    with tempfile.TemporaryDirectory(prefix="dwell-year-") as scratch:
        found = nights(Path(scratch).resolve(), count, random.Random(f"{SEED} year"))
    write_text(RESULTS / "year.md", _page(found, time.monotonic() - begun))
    return 1 if any(night.problems for night in found) else 0


if __name__ == "__main__":
    sys.exit(main())
