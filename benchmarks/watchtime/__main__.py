"""Run parts of the watch-time benchmark and write down what came out.

Run it: make benchmark-watchtime DATA=../shared/data, or python -m benchmarks.watchtime [PART ...] --data ... --seeds ...
"""

import sys

from benchmarks.parts.command import Benchmark

BENCHMARK = Benchmark(
    title="Watch-time benchmark",
    package="benchmarks.watchtime",
    parts=("heads", "relative", "trunks", "balance", "ladder", "correction", "generative", "nights", "bins"),
    seeds=range(5),
    about="Watch-time heads on every trunk, loss balances, and what each step of a recipe gives.",
)

if __name__ == "__main__":
    sys.exit(BENCHMARK.main())
