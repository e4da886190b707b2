"""How fast a step of training is beside the same network in plain torch.

Run it: make benchmark-training. `python -m benchmarks.training.guard` holds one ratio to the recorded one.
"""

import sys

from benchmarks.parts.command import Benchmark

BENCHMARK = Benchmark(
    title="Training",
    package="benchmarks.training",
    parts=("plain", "peers", "epoch"),
    seeds=(0,),
    about="CPU time of a step of dwell's MMoE against plain torch and packages, in turns in one process.",
)

if __name__ == "__main__":
    sys.exit(BENCHMARK.main())
