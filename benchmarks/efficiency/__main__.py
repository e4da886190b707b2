"""Measure what efficiency costs and write down what came out.

Run it: python -m benchmarks.efficiency [PART ...] --data ... --seeds ...
"""

import sys

from benchmarks.parts.command import Benchmark

BENCHMARK = Benchmark(
    title="Efficiency",
    package="benchmarks.efficiency",
    parts=("compression",),
    seeds=range(3),
    about="Compressed embedding tables: bytes, memory, speed, and what the gate sees of them.",
)

if __name__ == "__main__":
    sys.exit(BENCHMARK.main())
