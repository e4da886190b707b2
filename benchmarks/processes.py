"""Steps of the nightly MMoE by one process and by several: rows per second, CPU time and the memory of each process.

Run it: python -m benchmarks.processes
"""

import argparse
import json
import resource
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import torch
import yaml

from benchmarks.gpu import RECIPE, REPOSITORY, batches, built, encoded_rows, labels_of
from models.encoders.sharded import Placement, placed
from models.recipe import Recipe
from tasks.core.files import write_json, write_text
from tasks.protocol.record import circumstances
from tasks.train.config import TrainingConfig
from tasks.train.device import Device
from tasks.train.group import Group
from tasks.train.launch import together
from tasks.train.step import Step

PROCESSES, BATCHES, STEPS, WARM_UP = (1, 2), (1024, 8192), 40, 3


@dataclass(frozen=True)
class Measured:
    """Steps of one batch size.

    Attributes:
        processes: that took them together.
        batch: rows of a step.
        rows_per_second: by the clock.
        cpu_seconds: of all processes, per 10^6 rows.
        peak_mib: of the largest process, up to then.
    """

    processes: int
    batch: int
    rows_per_second: float
    cpu_seconds: float
    peak_mib: float


def take_steps(config: TrainingConfig, sizes: Sequence[int], steps: int, group: Group) -> list[Measured]:
    """Take the steps, as every process of the group does; all of them get what was measured."""
    torch.set_num_threads(config.threads)
    recipe = Recipe.model_validate(yaml.safe_load((REPOSITORY / "params.yaml").read_text())["recipes"][RECIPE])
    rows, device = encoded_rows(max(sizes), recipe.label_names, "cpu"), Device.of(config)
    with placed(Placement(group.rank, group.size)):
        take_step = Step(built(recipe, labels_of(rows), device), config, device, group)
    found = []
    for size in sizes:
        drawn = batches(rows, size)
        for _ in range(WARM_UP):
            take_step(next(drawn))
        began, cpu_began = time.perf_counter(), time.process_time()
        for _ in range(steps):
            take_step(next(drawn))
        seconds, cpu = time.perf_counter() - began, time.process_time() - cpu_began
        by_rank = group.gathered([(seconds, cpu, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)])
        took, cpus, peaks = zip(*by_rank, strict=True)
        taken = size * steps
        found.append(Measured(group.size, size, taken / max(took), sum(cpus) / taken * 1e6, max(peaks)))
    return found


def by(processes: int, sizes: Sequence[int], steps: int) -> list[Measured]:
    """Return what so many processes measure, this one among them."""
    config = TrainingConfig(device="cpu", processes=processes)
    with together(config, partial(take_steps, config, sizes, steps)) as group:
        return take_steps(config, sizes, steps, group)


def table(found: Sequence[Measured]) -> list[str]:
    """Return the Markdown table."""
    lines = [
        "| rows of a batch | processes | rows/s | CPU-s per 10⁶ rows | MiB of the largest process |",
        "|---|---|---|---|---|",
    ]
    for of in sorted(found, key=lambda of: (of.batch, of.processes)):
        numbers = f"{of.rows_per_second:,.0f} | {of.cpu_seconds:,.1f} | {of.peak_mib:,.0f}"
        lines.append(f"| {of.batch:,} | {of.processes} | {numbers} |")
    return lines


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure each number of processes in fresh ones, print the table and write it below `--out`; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.processes", description=__doc__)
    parser.add_argument("--processes", type=int, nargs="+", default=PROCESSES, help="how many take a step together")
    parser.add_argument("--batch", type=int, nargs="+", default=BATCHES, help="rows of a step")
    parser.add_argument("--steps", type=int, default=STEPS, help="steps of each batch size")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "processes", help="folder of results")
    parser.add_argument(
        "--json", action="store_true", help="measure the first number of processes here, and print it alone"
    )
    asked = parser.parse_args(arguments)
    if asked.json:
        print(json.dumps([asdict(of) for of in by(asked.processes[0], asked.batch, asked.steps)]))
        return 0
    found = []
    for processes in asked.processes:
        command = [sys.executable, "-m", "benchmarks.processes", "--json", "--processes", str(processes)]
        command += ["--batch", *map(str, asked.batch), "--steps", str(asked.steps)]
        said = subprocess.run(command, cwd=REPOSITORY, check=True, stdout=subprocess.PIPE, text=True).stdout
        found += [Measured(**of) for of in json.loads(said)]
    print("\n".join(table(found)))
    where = circumstances()
    write_json(asked.out / "results.json", {"circumstances": where, "results": [asdict(of) for of in found]})
    head = ["# One recipe by several processes", "", "Run it: `python -m benchmarks.processes`", ""]
    at = (
        f"Steps of `{RECIPE}`, 1.8·10⁶ embedding rows. Measured {where['date']} at commit `{where['commit']}` on {where['cpu']}, "
        f"{where['cores']} cores, {where['memory_gib']} GiB; Python {where['python']}, torch {where['torch']}. Where others use the "
        "machine too, read CPU time and memory, and not the clock."
    )
    write_text(asked.out / "results.md", "\n".join([*head, *table(found), "", at]) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
