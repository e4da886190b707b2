"""Run parts of the watch-time benchmark and write down what came out.

Run it: make benchmark-watchtime DATA=../shared/data, or python -m benchmarks.watchtime [PART ...] --data ... --seeds ...
"""

import sys
from pathlib import Path

from benchmarks.parts.command import Benchmark

BENCHMARK = Benchmark(
    title="Watch-time benchmark",
    package="benchmarks.watchtime",
    folder=Path(__file__).resolve().parent,
    parts=("heads", "relative", "trunks", "balance", "ladder", "nights"),
    seeds=range(5),
    about="Watch-time heads on every trunk, loss balances, and what each step of a recipe gives.",
)

if __name__ == "__main__":
    sys.exit(BENCHMARK.main())
