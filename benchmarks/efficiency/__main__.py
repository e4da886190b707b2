"""Measure what efficiency costs and what ranks of fields are worth, and write down what came out.

Run it: make benchmark-efficiency, or python -m benchmarks.efficiency [PART ...] [--seeds ...] [--quick]
"""

import sys

from benchmarks.parts.command import Benchmark

BENCHMARK = Benchmark(
    title="Efficiency",
    package="benchmarks.efficiency",
    parts=("fields", "compression", "widths", "selection", "second_moment"),
    seeds=range(3),
    about="What the nightly network reads: ranks against permutation, planted noise, pruning against chance. Compressed embedding "
    "tables: bytes, memory, speed, and what the gate sees of them. Widths by group of rows: XAUC against bytes. Selected rows: XAUC and level against rows read. "
    "One second moment a row: memory of a fit, and what metrics see.",
)

if __name__ == "__main__":
    sys.exit(BENCHMARK.main())
