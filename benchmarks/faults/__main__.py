"""Faults thrown into small nights: kills and refusals of the machine, each held against an undisturbed twin.

python -m benchmarks.faults                # all: results/KIND.md are written beside this file, and results/summary.md
python -m benchmarks.faults kills          # what is killed: servers, embedded, nights, dvc, stages, workers
python -m benchmarks.faults stages dvc     # some kinds
python -m benchmarks.faults unattended     # ninety nights with nobody there: two hours, and left out where no kind is named
"""

import argparse
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from benchmarks.faults import deployed, kills, refusals, unattended, world
from benchmarks.faults.kills import Case
from tasks.core.files import write_text
from tasks.protocol.record import circumstances

RESULTS = Path(__file__).with_name("results")
SEED = 11
_AT_ONCE = 2
"""Kinds that are thrown at the same time, each in workspaces of its own: one of them keeps one core busy."""


class Faults:
    """All kinds of faults, on copies of one finished night."""

    def __init__(self, scratch: Path, nights: int = unattended.NIGHTS) -> None:
        self.scratch, self.nights = scratch.resolve(), nights
        self.fresh = world.make(self.scratch / "fresh")
        self.twin = world.copy(self.fresh, self.scratch / "twin")
        done = world.finish(self.twin, *kills.NIGHTLY)
        if done.status:
            raise SystemExit(f"the undisturbed night failed: {done.output[-2000:]}")
        self.expected = world.snapshot(self.twin)

    def run(self, kind: str) -> Iterator[Case]:
        """Throw one kind of faults, at moments that hang on the seed and the kind alone."""
        yield from KINDS[kind](self, random.Random(f"{SEED} {kind}"))

    def finished(self, name: str) -> Path:
        """Return a copy of the undisturbed night."""
        return world.copy(self.twin, self.scratch / name)

    def begun(self, name: str) -> Path:
        """Return a copy of a workspace whose night is not begun."""
        return world.copy(self.fresh, self.scratch / name)


KINDS: Mapping[str, Callable[[Faults, random.Random], Iterator[Case]]] = {
    "stages": lambda f, chance: kills.of_stages(f.finished("stages"), f.expected, 2, chance),
    "dvc": lambda f, chance: kills.of_dvc(f.finished("dvc"), f.expected, 14, chance),
    "nights": lambda f, chance: kills.of_nights(f.begun("nights"), f.expected, 4, chance),
    "embedded": lambda f, chance: kills.of_servers(f.begun("embedded"), f.expected, 3, chance),
    "servers": lambda f, chance: deployed.of_deployed(f.begun("servers"), f.expected, deployed.PARTS, chance),
    "workers": lambda f, chance: kills.of_workers(f.finished("workers"), f.expected, 6, chance),
    "refusals": lambda f, chance: refusals.injected(f.finished("refusals"), f.expected),
    "disks": lambda f, chance: refusals.full_disks(f.finished("disks"), f.expected),
    "unattended": lambda f, chance: unattended.of_nights(
        f.begun("unattended"), f.begun("unattended-twin"), f.nights, chance
    ),
}
KILLS = ("servers", "embedded", "nights", "dvc", "stages", "workers")
_UNNAMED = (*KILLS, "refusals", "disks")
"""Kinds that are thrown where none is named."""


def main() -> int:
    """Throw the faults asked for; return 1 if one of them left anything wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "kinds", nargs="*", metavar="KIND", help=f"{', '.join(KINDS)}, or kills; default: all but unattended"
    )
    parser.add_argument("--nights", type=int, default=unattended.NIGHTS, help="of the kind unattended")
    options = parser.parse_args()
    asked = options.kinds
    if unknown := set(asked) - {*KINDS, "kills"}:
        parser.error(f"unknown kind {', '.join(sorted(unknown))}; there are kills, {', '.join(KINDS)}")
    kinds = list(dict.fromkeys(k for kind in asked or _UNNAMED for k in (KILLS if kind == "kills" else (kind,))))
    command = " ".join(["python -m benchmarks.faults", *asked])
    command += "" if options.nights == unattended.NIGHTS else f" --nights {options.nights}"
    with tempfile.TemporaryDirectory(prefix="dwell-faults-") as scratch, ThreadPoolExecutor(_AT_ONCE) as pool:
        faults, begun = Faults(Path(scratch), options.nights), time.monotonic()
        running = {kind: pool.submit(_throw, faults, kind, command) for kind in kinds}
        thrown, seconds = {kind: future.result() for kind, future in running.items()}, time.monotonic() - begun
    if len(kinds) > 1:
        write_text(RESULTS / "summary.md", _summary(command, thrown, seconds))
    return 1 if any(case.problems for found in thrown.values() for case in found) else 0


def _throw(faults: Faults, kind: str, command: str) -> list[Case]:
    """Throw one kind of faults and write its page."""
    begun, found = time.monotonic(), list[Case]()
    for case in faults.run(kind):
        found.append(case)
        print(f"{kind}: {case.what}, {case.when}: {'; '.join(case.problems) or 'healed'}", flush=True)
    write_text(RESULTS / f"{kind}.md", _page(kind, command, found, time.monotonic() - begun))
    return found


def _run(command: str, seconds: float) -> str:
    where = ", ".join(f"{name} {value}" for name, value in circumstances().items())
    return f"Run it: `{command}` ({seconds / 60:.0f} minutes here, seed {SEED}). {where[0].upper()}{where[1:]}."


def _healed(found: list[Case]) -> int:
    return sum(not case.problems for case in found)


def _page(kind: str, command: str, found: list[Case], seconds: float) -> str:
    ended = sum("(had ended)" in case.when for case in found)
    lines = [
        f"# Faults: {kind}", "", _run(command, seconds), "",
        f"{_healed(found)} of {len(found)} left the bytes of the undisturbed night, no junk, no process, and needed no help; {ended} kills "
        "came after the process had ended by itself.", "",
        "| what was hit | when, or what it said | afterwards |", "|---|---|---|",
    ]  # fmt: skip
    return (
        "\n".join([*lines, *(f"| {c.what} | {c.when} | {'; '.join(c.problems) or 'healed'} |" for c in found)]) + "\n"
    )


def _summary(command: str, thrown: Mapping[str, list[Case]], seconds: float) -> str:
    """Return a line for each kind of thing that was hit."""
    lines = [
        "# Faults", "", _run(command, seconds), "",
        "| kind | what was hit | times | healed |", "|---|---|---|---|",
    ]  # fmt: skip
    for kind, found in thrown.items():
        hit = ", ".join(dict.fromkeys(case.what for case in found))
        lines.append(f"| [{kind}]({kind}.md) | {hit} | {len(found)} | {_healed(found)} |")
    every = [case for found in thrown.values() for case in found]
    return "\n".join([*lines, f"| all | | {len(every)} | {_healed(every)} |"]) + "\n"


if __name__ == "__main__":
    sys.exit(main())
