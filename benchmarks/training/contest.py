"""One peer against dwell, in turns in this process, which the peers' environment runs: prints what was measured as JSON.

Run by `python -m benchmarks.training peers`.
"""

import argparse
import json
from itertools import cycle

import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.gpu import batches
from benchmarks.parts.turns import DWELL, Arm, take_turns
from benchmarks.training.plain import BATCH, arms, schema_of
from benchmarks.training.rivals import RIVALS

_BATCHES = 64


def main() -> None:
    """Take the turns that are asked for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.training.contest", description=__doc__)
    parser.add_argument("rival", choices=RIVALS)
    for name in ("ids", "turns", "steps"):
        parser.add_argument(name, type=int)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    schema = schema_of(asked.ids)
    drawn, mine = arms(schema, (DWELL,), _BATCHES * BATCH)
    endless = batches(drawn, BATCH)
    given = [next(endless) for _ in range(_BATCHES)]
    own = cycle(given)
    arm = {DWELL: lambda: mine[DWELL](next(own)), asked.rival: RIVALS[asked.rival](schema, given)}
    flops = {name: _flops(step) for name, step in arm.items()}
    print(json.dumps({"samples": take_turns(arm, asked.turns, asked.steps, BATCH).samples, "flops": flops}))


def _flops(step: Arm) -> int:
    """Return the operations of the products of matrices in a step."""
    with FlopCounterMode(display=False) as counter:
        step()
    return int(counter.get_total_flops())


if __name__ == "__main__":
    main()
