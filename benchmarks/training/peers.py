"""A step of dwell's MMoE against the same network by packages that people train recommenders with, in their own environment.

Each is taken in turns with dwell in one process. Nights add with the kernels of AVX2 wherever they run, so that their bytes are the same; peers do
not, so both are shown: all with AVX2, and all with the widest vectors of the processor.
"""

import json
import os
import statistics
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.gpu import REPOSITORY
from benchmarks.parts.part import Options, Table
from benchmarks.parts.turns import DWELL, Pace
from benchmarks.training import environment
from benchmarks.training.plain import BATCH, IDS
from benchmarks.training.rivals import RIVALS
from tasks.core import arithmetic
from tasks.core.errors import SourceError

NIGHTLY = "avx2"


def run(options: Options) -> list[Table]:
    """Return the tables of both sizes; none where the peers are not installed, and says so."""
    python = environment.found()
    if python is None:
        print(f"peers: not measured: {environment.absent()}", file=sys.stderr)
        return []
    kernels = list(dict.fromkeys([NIGHTLY, _widest(python)]))
    sizes = IDS[:1] if options.quick else IDS
    return [_table(python, ids, kernels[:1] if ids > IDS[0] else kernels, options.quick) for ids in sizes]


def _table(python: Path, ids: int, kernels: Sequence[str], quick: bool) -> Table:
    """Return the contests of one size."""
    turns, steps = (1, 1) if quick else (9, 3 if ids > IDS[0] else 10)
    rows, numbers = [], {}
    for kernel in kernels:
        for rival in RIVALS:
            found, products = contest(python, rival, ids, turns, steps, kernel)
            numbers[f"{rival}, {kernel}"] = {name: list(values) for name, values in found.samples.items()}
            paces = [f"{statistics.median(found.samples[name]):,.0f}" for name in (rival, DWELL)]
            rows.append([rival, kernel, f"{products:.2f}", *paces, found.times(rival)])
    return Table(
        title=f"Steps of an MMoE over {ids:,} packed rows",
        columns=[
            "peer",
            "kernels of both",
            "its products of matrices, of dwell's",
            "samples for a CPU-second",
            "those of dwell in the same turns",
            "dwell is so many times as fast [95 %]",
        ],
        rows=rows,
        notes=[
            f"One thread, batches of {BATCH:,} that lie in memory as each asks for them, widths and tasks as in `plain`. Each peer takes turns with "
            "dwell in one process; the ratio is the median of the turns' and its interval comes from their order.",
            "FuxiCTR, DeepCTR-Torch and Torch-RecHub move all rows in every step (fused Adam); Torch-RecHub also normalises the batches of its layers, "
            "which cannot be left out. FBGEMM's tables move by row-wise Adagrad: absent rows stay where they are, one number a row is kept "
            "for the second moment, none for the first. dwell's rows are where AdamW would have them.",
        ],
        numbers=numbers,
    )


def contest(python: Path, rival: str, ids: int, turns: int, steps: int, kernel: str) -> tuple[Pace, float]:
    """Return the samples of one peer and of dwell, and the peer's operations in products of matrices as a share of dwell's.

    Args:
        python: of the peers' environment.
        rival: name of the peer.
        ids: packed rows, about.
        turns: of each.
        steps: of a turn.
        kernel: vectors that sums are made with.

    Raises:
        SourceError: if the peer did not run; the message ends with what it said.
    """
    command = [str(python), "-m", "benchmarks.training.contest", rival, str(ids), str(turns), str(steps)]
    done = subprocess.run(command, cwd=REPOSITORY, env=_environment(kernel), capture_output=True, text=True)
    if done.returncode:
        raise SourceError(f"{rival} did not run in {python.parents[1]}: {done.stderr.strip()[-500:]}")
    # Packages print too, one of them from a thread that looks for its own newest version.
    found = json.loads(next(line for line in done.stdout.splitlines() if line.startswith('{"samples"')))
    pace = Pace({name: tuple(values) for name, values in found["samples"].items()})
    return pace, found["flops"][rival] / found["flops"][DWELL]


def _environment(kernel: str) -> dict[str, str]:
    named = arithmetic.named()
    if kernel == NIGHTLY:
        return {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    others = {name: value for name, value in os.environ.items() if name not in named}
    return {**others, arithmetic.CAPABILITY: kernel, "PYTHONPATH": str(REPOSITORY)}


def _widest(python: Path) -> str:
    """Return the kernels that torch takes here where nobody names any."""
    ask = "import torch; print(torch.backends.cpu.get_cpu_capability().lower())"
    free = {name: value for name, value in os.environ.items() if name not in arithmetic.named()}
    return subprocess.run([str(python), "-c", ask], env=free, capture_output=True, text=True, check=True).stdout.strip()
