"""What codes of content give to videos that nobody has seen: run some parts and write down what came out.

Run it: make benchmark-representation, or python -m benchmarks.representation [PART ...] --seeds ... [--quick]
"""

import sys

from benchmarks.parts.command import Benchmark

BENCHMARK = Benchmark(
    title="Item codes",
    package="benchmarks.representation",
    parts=("cold_start",),
    seeds=(0, 1, 2),
    about="Own rows of videos alone, beside codes of their content, and beside codes of other videos, in a world of known effect.",
)

if __name__ == "__main__":
    sys.exit(BENCHMARK.main())
