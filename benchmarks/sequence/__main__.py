"""Run parts of the sequence benchmark and write down what came out.

Run it: python -m benchmarks.sequence [PART ...] --data ../shared/data --seeds 0 1 2 3 4
"""

import sys

from benchmarks.parts.command import Benchmark

BENCHMARK = Benchmark(
    title="Sequence models",
    package="benchmarks.sequence",
    parts=("kuairand", "simulator"),
    seeds=range(5),
    about="Rank the watched over the just-skipped: SINE, its relatives and floors, on real and simulated logs.",
)

if __name__ == "__main__":
    sys.exit(BENCHMARK.main())
