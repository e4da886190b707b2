"""Faults thrown into small nights: kills and refusals of the machine, each held against an undisturbed twin.

python -m benchmarks.faults                  # all: results/KIND.md are written beside this file
python -m benchmarks.faults stages servers   # some kinds
"""

import argparse
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from benchmarks.faults import kills, refusals, world
from benchmarks.faults.kills import Case
from tasks.core.files import write_text
from tasks.protocol.record import circumstances

RESULTS = Path(__file__).with_name("results")
SEED = 11


class Faults:
    """All kinds of faults, on copies of one finished night."""

    def __init__(self, scratch: Path) -> None:
        self.scratch, self.chance = scratch.resolve(), random.Random(SEED)
        self.fresh = world.make(self.scratch / "fresh")
        self.twin = world.copy(self.fresh, self.scratch / "twin")
        done = world.finish(self.twin, *kills.NIGHTLY)
        if done.status:
            raise SystemExit(f"the undisturbed night failed: {done.output[-2000:]}")
        self.whole_s, self.expected = done.seconds, world.snapshot(self.twin)

    def run(self, kind: str) -> Iterator[Case]:
        """Throw one kind of faults."""
        yield from KINDS[kind](self)

    def _copy(self, kind: str, of: Path | None = None) -> Path:
        return world.copy(of or self.twin, self.scratch / kind)


KINDS: Mapping[str, Callable[[Faults], Iterator[Case]]] = {
    "stages": lambda f: kills.of_stages(f._copy("stages"), f.expected, 3, f.chance),
    "dvc": lambda f: kills.of_dvc(f._copy("dvc"), f.expected, 8, f.chance),
    "nights": lambda f: kills.of_nights(f._copy("nights", f.fresh), f.expected, 8, f.whole_s, f.chance),
    "servers": lambda f: kills.of_servers(f._copy("servers", f.fresh), f.expected, 3, f.chance),
    "workers": lambda f: kills.of_workers(f._copy("workers"), f.expected, 6, f.chance),
    "refusals": lambda f: refusals.injected(f._copy("refusals"), f.expected),
    "disks": lambda f: refusals.full_disks(f._copy("disks"), f.expected),
}


def main() -> int:
    """Throw the faults asked for; return 1 if one of them left anything wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kinds", nargs="*", metavar="KIND", help="default: all")
    asked = parser.parse_args().kinds
    if unknown := set(asked) - set(KINDS):
        parser.error(f"unknown kind {', '.join(sorted(unknown))}; there are {', '.join(KINDS)}")
    wrong = 0
    with tempfile.TemporaryDirectory(prefix="dwell-faults-") as scratch:
        faults = Faults(Path(scratch))
        for kind in asked or KINDS:
            begun, found = time.monotonic(), list[Case]()
            for case in faults.run(kind):
                found.append(case)
                print(f"{kind}: {case.what}, {case.when}: {'; '.join(case.problems) or 'healed'}", flush=True)
            wrong += sum(bool(case.problems) for case in found)
            write_text(RESULTS / f"{kind}.md", _page(kind, found, time.monotonic() - begun))
    return 1 if wrong else 0


def _page(kind: str, found: list[Case], seconds: float) -> str:
    where = ", ".join(f"{name} {value}" for name, value in circumstances().items())
    command = f"`python -m benchmarks.faults {kind}` ({seconds / 60:.0f} minutes here, seed {SEED})"
    healed, ended = sum(not case.problems for case in found), sum("(had ended)" in case.when for case in found)
    lines = [
        f"# Faults: {kind}", "", f"Run it: {command}. {where[0].upper()}{where[1:]}.", "",
        f"{healed} of {len(found)} left the bytes of the undisturbed night, no junk, no process, and needed no help; {ended} kills "
        "came after the process had ended by itself.", "",
        "| what was hit | when, or what it said | afterwards |", "|---|---|---|",
    ]  # fmt: skip
    return (
        "\n".join([*lines, *(f"| {c.what} | {c.when} | {'; '.join(c.problems) or 'healed'} |" for c in found)]) + "\n"
    )


if __name__ == "__main__":
    sys.exit(main())
