"""How fast a step of training is beside the same network in plain torch.

Run it: python -m benchmarks.training [PART ...] [--quick]; `--check` compares one ratio with the recorded one (make benchmark-training).
"""

import sys

from benchmarks.parts.command import Benchmark

BENCHMARK = Benchmark(
    title="Training",
    package="benchmarks.training",
    parts=("plain",),
    seeds=(0,),
    about="CPU time of a step of dwell's MMoE against plain torch, in turns in one process.",
)

if __name__ == "__main__":
    sys.exit(BENCHMARK.main())
