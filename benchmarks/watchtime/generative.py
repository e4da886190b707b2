"""Generative regression on protocol R0, against a cheap head that is given the same CPU time as more fits."""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.backbones.r0 import seeds_at
from benchmarks.parts.part import Options, Table
from benchmarks.watchtime.blend import Blender, members
from benchmarks.watchtime.cells import paired
from benchmarks.watchtime.grid import recipe_of
from benchmarks.watchtime.heads import grid_table
from benchmarks.watchtime.measure import Outputs, Scored
from benchmarks.watchtime.r0 import ids_testbed
from benchmarks.watchtime.testbed import Testbed
from tasks.core.files import read_json, write_json
from tasks.evaluate.estimate import Draw

HEAD, CHEAP, TRUNK = "gr", "tr_log", "alone"
PER_FIT = 2
"""Fits of the cheap head at most for one of the other, so that the part ends."""
PAIRED = {"xauc": "XAUC", "xgauc": "XGAUC", "mae": "calibrated MAE, s", "rmse": "calibrated RMSE, s"}
Draws = Mapping[str, Sequence[Draw]]


def run(options: Options) -> list[Table]:
    """Return both heads, and one minus the other at equal fits and at equal CPU time."""
    testbed = ids_testbed(options)
    (slow, slow_s), (cheap, cheap_s) = (_fit(testbed, head, options) for head in (HEAD, CHEAP))
    times = max(1, round(slow_s / cheap_s))
    every, blender = list(members(testbed, cheap).values()), Blender(testbed)
    outputs: dict[int, Outputs] = {}
    for number, places in enumerate(seeds_at(times, len(options.seeds), len(every))):
        of = [every[place] for place in places]
        outputs[number] = (blender.blend(of) if len(of) > 1 else blender.alone(of[0]))[0]
    plain = {seed: found for seed, found in testbed.outputs(cheap).items() if seed in options.seeds}
    averaged = f"{CHEAP}, {min(times, len(every))} fits averaged"
    drawn: dict[str, Draws] = {
        HEAD: testbed.draws(testbed.outputs(slow)),
        CHEAP: testbed.draws(plain),
        averaged: testbed.draws(outputs),
    }
    scored = {name: Scored.of(draws) for name, draws in drawn.items()}
    differences = [
        [f"{HEAD} - {other}", *(paired(drawn[HEAD][metric], drawn[other][metric]) for metric in PAIRED)]
        for other in drawn
        if other != HEAD
    ]
    return [
        grid_table("Generative regression, watch time only", scored, len(testbed.rows)),
        Table(
            title="At equal fits and at equal CPU time",
            columns=["difference", *PAIRED.values()],
            rows=differences,
            notes=[
                f"Mean over fits of the paired difference [95 % user-bootstrap interval]. A fit of {HEAD} took {slow_s:.0f} CPU-s, "
                f"one of {CHEAP} {cheap_s:.0f}, on a machine that was shared: {slow_s / cheap_s:.1f} times as long. Averages of "
                f"{CHEAP} share fits where {len(every)} do not suffice. Defaults, nothing tuned."
            ],
        ),
    ]


def _fit(testbed: Testbed, head: str, options: Options) -> tuple[Path, float]:
    """Return the bundle of a head, fitted unless an earlier run did, and the CPU seconds of one of its fits."""
    kept, seeds = options.scratch / f"{head}.json", testbed.training.seeds
    if head == CHEAP:
        seeds = (*seeds, *(max(seeds) + 1 + number for number in range((PER_FIT - 1) * len(seeds))))
    began = time.process_time()
    bundle = testbed.fit(
        f"{head}_{TRUNK}", recipe_of(head, TRUNK), testbed.training.model_copy(update={"seeds": seeds})
    )
    if not kept.is_file():
        write_json(kept, (time.process_time() - began) / len(seeds))
    return bundle, float(read_json(kept))
