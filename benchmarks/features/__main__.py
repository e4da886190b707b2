"""What the features stage costs beside the same sums by Polars and DuckDB, and what a day more costs.

Run it: make benchmark-features.
"""

import sys

from benchmarks.parts.command import Benchmark

BENCHMARK = Benchmark(
    title="Features",
    package="benchmarks.features",
    parts=("stage",),
    seeds=(0,),
    rows=3_000_000,
    about="CPU time and memory of the features stage beside one Polars plan and one DuckDB statement of the same sums.",
)

if __name__ == "__main__":
    sys.exit(BENCHMARK.main())
