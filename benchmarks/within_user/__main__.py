"""What a term for the order inside a user's day gives beside the point loss: run some parts and write down what came out.

Run it: make benchmark-within-user DATA=../shared/data, or python -m benchmarks.within_user [PART ...] --data ... --seeds ...
"""

import sys

from benchmarks.parts.command import Benchmark

BENCHMARK = Benchmark(
    title="Order within a user",
    package="benchmarks.within_user",
    parts=("planted", "r0"),
    seeds=(0, 1, 2, 3, 4),
    about="Ranking terms beside the point loss, on planted worlds, on permuted labels and on KuaiRand R0.",
)

if __name__ == "__main__":
    sys.exit(BENCHMARK.main())
