"""What ranks of fields are worth: against permutation, on planted noise, and when the lowest are dropped.

Run it: make benchmark-efficiency, or python -m benchmarks.efficiency [PART ...] [--seeds ...] [--quick]
"""

import sys

from benchmarks.parts.command import Benchmark

BENCHMARK = Benchmark(
    title="What the model reads",
    package="benchmarks.efficiency",
    parts=("fields",),
    seeds=(0, 1, 2),
    about="F-Permutation of the nightly network: against permutation, on planted noise, and pruning by it against chance.",
)

if __name__ == "__main__":
    sys.exit(BENCHMARK.main())
